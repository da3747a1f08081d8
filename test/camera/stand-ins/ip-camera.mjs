// A stand-in for an IP camera: MJPEG over HTTP (multipart/x-mixed-replace) for whoever knows the password. Prints its
// port, sends 30 pictures to each caller, and hangs up.
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const PICTURE = Buffer.from(process.env.PICTURE ?? "", "base64");

const server = createServer(async (request, response) => {
  if (request.headers.authorization !== `Basic ${Buffer.from("owner:secret").toString("base64")}`) {
    response.writeHead(401, { "WWW-Authenticate": 'Basic realm="camera"' }).end();
    return;
  }
  response.writeHead(200, { "Content-Type": "multipart/x-mixed-replace; boundary=frame" });
  for (let picture = 0; picture < 30; picture++) {
    response.write(`--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${PICTURE.length}\r\n\r\n`);
    response.write(PICTURE);
    response.write("\r\n");
    await sleep(20);
  }
  response.end("--frame--\r\n");
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
