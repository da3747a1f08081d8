#!/bin/sh
# Of libuv's threads one reads the camera and two compute: with the main thread, a core of four is left for the
# camera's own programs. Two arenas of malloc keep less memory than one a thread.
: "${UV_THREADPOOL_SIZE:=3}" "${MALLOC_ARENA_MAX:=2}"
# SIGUSR1 would open Node's inspector.
export UV_THREADPOOL_SIZE MALLOC_ARENA_MAX
exec /usr/lib/emotiond/bin/node --disable-sigusr1 /usr/lib/emotiond/dist/main.js "$@"
