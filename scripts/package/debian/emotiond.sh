#!/bin/sh
exec /usr/lib/emotiond/bin/node /usr/lib/emotiond/dist/main.js "$@"
