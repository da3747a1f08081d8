"""The tutorial's way in Python: cascade over the whole frame, Keras' predict for each face.

The network has the tutorial's shape and random weights: here only its time counts. Frames come in grey already, which
spares the conversion.
"""

import json
import os
import resource
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import cv2
import keras
import numpy
import paho.mqtt.client
from keras import layers

SIDE = 48


def network():
    def conv(filters):
        return layers.Conv2D(filters, 3, activation="relu", padding="same")

    return keras.Sequential(
        [
            layers.Input((SIDE, SIDE, 1)),
            conv(32),
            layers.MaxPooling2D(2),
            conv(64),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            conv(128),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(7, activation="softmax"),
        ]
    )


def tell(report):
    usage = resource.getrusage(resource.RUSAGE_SELF)
    report["cpuMs"] = (usage.ru_utime + usage.ru_stime) * 1000
    print(json.dumps(report), flush=True)


def main():
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    model = network()
    address = os.environ["BENCH_MQTT_URL"].removeprefix("mqtt://").split(":")
    client = paho.mqtt.client.Client(paho.mqtt.client.CallbackAPIVersion.VERSION2)
    client.connect(address[0], int(address[1]))
    client.loop_start()
    clip, file = None, None
    for line in sys.stdin:
        order = json.loads(line)
        if "open" in order:
            clip = order["open"]
            if file is not None:
                file.close()
            file = open(clip["file"], "rb")
            tell({"ready": True})
            continue
        pixels = clip["width"] * clip["height"]
        file.seek(order["frame"] * pixels * 3 // 2)
        grey = numpy.frombuffer(file.read(pixels), numpy.uint8).reshape(clip["height"], clip["width"])
        faces = []
        for x, y, width, height in cascade.detectMultiScale(grey, 1.1, 3):
            face = cv2.resize(grey[y : y + height, x : x + width], (SIDE, SIDE))
            model.predict(face.reshape(1, SIDE, SIDE, 1) / 255.0, verbose=0)
            box = {"x": int(x), "y": int(y), "width": int(width), "height": int(height)}
            faces.append({"id": None, "box": box})
        client.publish(os.environ["BENCH_TOPIC"], json.dumps({"frame": order["serial"], "faces": faces}))
        tell({"frame": order["frame"], "faces": faces})
    client.loop_stop()
    client.disconnect()


main()
