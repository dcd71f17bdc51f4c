"""The service's receive path in Python: see serve.c, whose arguments and output it has."""
import hmac
import socket
import sys
import time

port, warmup, count = (int(text) for text in sys.argv[1:])
request_key, ack_key = (bytes.fromhex(line) for line in sys.stdin.read().split())
request_mac = hmac.new(request_key, digestmod="sha256")
ack_mac = hmac.new(ack_key, digestmod="sha256")


def mac(keyed, *parts):
    state = keyed.copy()
    for part in parts:
        state.update(part)
    return state.digest()[:16]


def is_request(data):
    if len(data) < 128 or data[38] > 61 or len(data) != 128 + 18 * data[38]:
        return False
    if data[:6] != b"ARPF\x01\x01" or data[7] & ~3 or any(data[39:48]):
        return False
    return hmac.compare_digest(mac(request_mac, data[:-16]), data[-16:])


def make_ack(data):
    clock = int(time.time() * 1000).to_bytes(8, "big")
    ack = data[:5] + b"\x02\x02\x00" + data[8:12] + clock + data[20:36] + bytes(12)
    ack += b"python".ljust(64, b"\x00")
    return ack + mac(ack_mac, ack, data[-16:])


server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", port))
print("ready", flush=True)
seen = set()
accepted = 0
start = 0
cpu_start = 0
while count == 0 or accepted < warmup + count:
    data, source = server.recvfrom(65536)
    if not is_request(data):
        continue
    if data[20:36] not in seen:
        seen.add(data[20:36])
        server.sendto(b"F", source)
        if data[7] & 1:
            server.sendto(make_ack(data), source)
    accepted += 1
    if accepted == warmup:
        start = time.monotonic_ns()
        cpu_start = time.process_time_ns()
print(time.monotonic_ns() - start, time.process_time_ns() - cpu_start)
