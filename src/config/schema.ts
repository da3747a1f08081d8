import { hostname } from "node:os";
import { z } from "zod";
import { seemsHashed, shortHash } from "./short-hash.js";

/**
 * The one definition of the configuration: types, defaults, environment names, JSON Schema and the README's
 * reference all come from it.
 */

const seconds = (low: number, high: number) => z.number().min(low).max(high);

const DEVICE_NAME = /^[A-Za-z0-9_-]{1,64}$/;

const LONGEST_DEVICE_NAME = 64;

/**
 * The host name made fit for a topic level: other characters become `-`. Where that changes it, a short hash of the
 * host name stands at the end, so that `pi.kitchen` and `pi-kitchen` are two devices.
 */
export function defaultDevice(host: string = hostname()): string {
  if (DEVICE_NAME.test(host) && !seemsHashed(host)) return host;
  const name = host.replace(/[^A-Za-z0-9_-]/g, "-") || "emotiond";
  const hash = shortHash(host);
  return `${name.slice(0, LONGEST_DEVICE_NAME - 1 - hash.length)}-${hash}`;
}

const sourceSchema = z
  .strictObject({
    type: z
      .enum(["libcamera", "video", "stills"])
      .default("libcamera")
      .describe(
        "Where frames come from: the Pi camera, anything OpenCV's VideoCapture opens, or a folder of photos",
      ),
    uri: z
      .string()
      .min(1)
      .default("/dev/video0")
      .describe("video: device, RTSP/HTTP URL, file, or GStreamer pipeline; stills: folder or glob"),
    width: z
      .int()
      .min(64)
      .max(7680)
      .default(640)
      .describe("Frame width in pixels; of libcamera rounded to a multiple of 128"),
    height: z
      .int()
      .min(64)
      .max(4320)
      .default(480)
      .describe("Frame height in pixels; of libcamera rounded to an even number"),
    framerate: z.number().min(0.1).max(240).default(30).describe("Frames a second asked of the camera"),
    loop: z.boolean().default(false).describe("video, stills: start again at the end"),
    realtime: z
      .boolean()
      .default(true)
      .describe("video, stills: false = every frame, as fast as they can be processed, none dropped"),
  })
  .prefault({})
  .describe("The camera");

const detectorSchema = z
  .strictObject({
    cascade: z
      .string()
      .min(1)
      .default("frontalface_default")
      .describe(
        "Haar cascade: the name of one that comes with OpenCV, or the path of an XML file (a relative one is beside the program)",
      ),
    minFaceSize: z
      .number()
      .min(0.02)
      .max(1)
      .default(0.1)
      .describe("Smallest face that is looked for, as a fraction of the frame's height"),
    scaleFactor: z.number().min(1.01).max(2).default(1.2).describe("Step between the sizes that are tried"),
    minNeighbors: z.int().min(0).max(50).default(4).describe("Overlapping hits that make a face"),
    maxUnseen: seconds(0.1, 60)
      .default(0.5)
      .describe("Seconds that a new face may stay unseen where something moves"),
    budget: z
      .number()
      .min(0.01)
      .max(1)
      .default(0.25)
      .describe("Share of one core that looking for new faces may take"),
  })
  .prefault({})
  .describe("Face detection");

const emotionSchema = z
  .strictObject({
    engine: z
      .enum(["auto", "onnx-int8", "onnx-fp32", "tensorflow"])
      .default("auto")
      .describe("What runs the model; auto times the installed ones at start-up and takes the fastest"),
    model: z
      .string()
      .min(1)
      .default("models/emotion")
      .describe("Folder with the model's manifest.json; a relative path is beside the program"),
    minConfidence: z.number().min(0).max(1).default(0.4).describe("Under this score a face is `uncertain`"),
  })
  .prefault({})
  .describe("Emotion recognition");

const eventsSchema = z
  .strictObject({
    updateInterval: seconds(0.1, 3600)
      .default(5)
      .describe("Seconds between updates of a face whose label stays"),
    minDwell: seconds(0, 60)
      .default(0.5)
      .describe("Seconds a face, or a new label, must last before it counts"),
    lostAfter: seconds(0.1, 60).default(1).describe("Seconds without a sight of a face that end it"),
  })
  .prefault({})
  .describe("When events are sent");

const outboxSchema = z
  .strictObject({
    path: z
      .string()
      .min(1)
      .optional()
      .describe(
        "Folder of the events that wait for the broker; default: $STATE_DIRECTORY/outbox, else in memory alone",
      ),
    maxEvents: z
      .int()
      .min(1)
      .max(10_000_000)
      .default(100_000)
      .describe("Events kept at most; the oldest go first"),
    maxAge: seconds(1, 31_536_000).default(86_400).describe("Seconds an event is kept at most"),
    diskAfter: seconds(0.05, 1)
      .default(0.5)
      .describe(
        "Seconds an event may wait for the broker before it is written to disk: what a power cut can cost",
      ),
  })
  .prefault({})
  .describe("Events on their way to the broker");

const homeAssistantSchema = z
  .strictObject({
    enabled: z.boolean().default(true).describe("Publish Home Assistant's MQTT discovery"),
    prefix: topic("homeassistant").describe("Home Assistant's discovery prefix"),
  })
  .prefault({})
  .describe("Home Assistant");

/** A topic prefix: levels separated by `/`, no wildcard, no `$` at the start, no empty level. */
function topic(byDefault: string) {
  return (
    z
      .string()
      .max(256)
      // Half a surrogate pair is no character: on its way to the broker it would become one that others share.
      // biome-ignore lint/suspicious/noControlCharactersInRegex: U+0000 is what MQTT forbids in a topic
      .regex(/^(?!\$)[^+#/\u0000\ud800-\udfff]+(?:\/[^+#/\u0000\ud800-\udfff]+)*$/u, {
        error: "must be topic levels joined by `/`, without `+`, `#`, a leading `$` or empty levels",
      })
      .default(byDefault)
  );
}

const file = (what: string) => z.string().min(1).optional().describe(what);

const mqttSchema = z
  .strictObject({
    url: z
      .string()
      .refine(isBrokerUrl, {
        error:
          "must be mqtt://, mqtts://, ws:// or wss:// with a host (user name and password go to mqtt.username and mqtt.passwordFile)",
      })
      .default("mqtt://localhost:1883")
      .describe("The broker: mqtt, mqtts, ws or wss"),
    baseTopic: topic("emotiond").describe("First levels of every topic"),
    username: z.string().min(1).optional().describe("User name at the broker"),
    passwordFile: file(
      "File with the password; the credential `mqtt.password` in $CREDENTIALS_DIRECTORY goes before it",
    ),
    ca: file("PEM file of the certificate authority that signed the broker's certificate"),
    cert: file("PEM file of the client certificate"),
    key: file("PEM file of the client certificate's key"),
    outbox: outboxSchema,
    homeAssistant: homeAssistantSchema,
    commands: z
      .boolean()
      .default(true)
      .describe("Take commands; false subscribes to nothing but Home Assistant's birth message"),
  })
  .prefault({})
  .describe("The broker");

function isBrokerUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  // Credentials in a URL end up in process listings and logs; username and passwordFile are the place.
  return (
    ["mqtt:", "mqtts:", "ws:", "wss:"].includes(url.protocol) &&
    url.hostname !== "" &&
    url.username === "" &&
    url.password === ""
  );
}

const fraction = z.number().min(0).max(1);

/** The schema of the whole configuration; every object is strict, so an unknown key is an error. */
export const configSchema = z.strictObject({
  device: z
    .string()
    .regex(DEVICE_NAME, { error: "must be 1 to 64 of A-Z a-z 0-9 _ -" })
    .default(() => defaultDevice())
    .describe("Name of this device in topics; default: the host name"),
  source: sourceSchema,
  detector: detectorSchema,
  emotion: emotionSchema,
  events: eventsSchema,
  mqtt: mqttSchema,
  display: z
    .strictObject({
      sink: z
        .string()
        .min(1)
        .default("none")
        .describe("none, auto, kms, framebuffer, wayland, x11, or a GStreamer sink pipeline"),
    })
    .prefault({})
    .describe("The picture on a monitor"),
  privacy: z
    .strictObject({
      masks: z
        .array(z.array(z.tuple([fraction, fraction])).min(3))
        .default([])
        .describe(
          "Polygons [[x, y], …] in fractions of the frame; blanked before anything else sees the frame",
        ),
      blurFaces: z.boolean().default(false).describe("Pixelate faces in every picture that is shown or sent"),
      snapshots: z
        .boolean()
        .default(false)
        .describe("Allow the `snapshot` command to send a picture over MQTT"),
    })
    .prefault({})
    .describe("What may be seen"),
  http: z
    .strictObject({
      listen: z
        .string()
        .regex(/^(none|(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):\d{1,5})$/, {
          error: "must be HOST:PORT, such as 127.0.0.1:9464, or none",
        })
        .default("127.0.0.1:9464")
        .describe("Address of health and metrics, or none"),
      tokenFile: file(
        "File with the bearer token, 16 characters or more, that callers must show; needed where `listen` is not a loopback address",
      ),
    })
    .prefault({})
    .describe("Health and metrics over HTTP"),
  log: z
    .strictObject({
      level: z
        .enum(["trace", "debug", "info", "warn", "error", "fatal"])
        .default("info")
        .describe("Least level logged"),
    })
    .prefault({})
    .describe("Logging"),
});

export type Config = z.output<typeof configSchema>;
export type SourceConfig = Config["source"];
export type MqttConfig = Config["mqtt"];
export type PrivacyConfig = Config["privacy"];
