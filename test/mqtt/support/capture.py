"""Writes down where every TCP and UDP packet of this network namespace goes: `address port`, a line each, at once."""

import socket
import struct

ALL = 3  # ETH_P_ALL
capture = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ALL))
print("ready", flush=True)
while True:
    packet, (_, protocol, kind, *_rest) = capture.recvfrom(65535)
    if kind != socket.PACKET_OUTGOING:
        continue
    if protocol == 0x0800:
        transport, header = packet[9], (packet[0] & 15) * 4
        address = socket.inet_ntop(socket.AF_INET, packet[16:20])
    elif protocol == 0x86DD:
        transport, header = packet[6], 40
        address = socket.inet_ntop(socket.AF_INET6, packet[24:40])
    else:
        continue
    if transport in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
        source, target = struct.unpack("!HH", packet[header : header + 4])
        print(address, target, source, flush=True)
