/*
 * Asks hosts for their link-layer addresses, all at once, and sends each that answers a packet.
 *
 *   resolve INTERFACE < datagrams
 *
 * Reads for each host the frame of its ARP request and that of a ping, whose destination is filled in
 * from the reply, or that of its solicitation and an empty one. Prints how many hosts have answered
 * the ping, or the solicitation, and the ms until the last of them.
 */
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include "peer.h"

enum { hosts_most = 2048, silence_ms = 500 };
static uint8_t ask[hosts_most][128], ping[hosts_most][128];
static size_t ask_length[hosts_most], ping_length[hosts_most];
static int is_done[hosts_most];

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  struct sockaddr_ll link = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
                             .sll_ifindex = (int)if_nametoindex(argv[1])};
  int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), most = 1 << 22;
  if (fd < 0 || bind(fd, (struct sockaddr *)&link, sizeof link) != 0) die("Cannot listen");
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &most, sizeof most);
  uint8_t frame[datagram_most];
  int hosts = 0, answers = 0;
  for (; hosts < hosts_most && (ask_length[hosts] = read_datagram(stdin, frame)) > 0; hosts++) {
    memcpy(ask[hosts], frame, ask_length[hosts]);
    ping_length[hosts] = read_datagram(stdin, frame);
    memcpy(ping[hosts], frame, ping_length[hosts]);
  }
  uint64_t start = now_ns(), last = start;
  for (int next = 0;;) {
    if (next < hosts) send(fd, ask[next], ask_length[next], 0), next++;
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    if (poll(&polled, 1, next < hosts ? 0 : silence_ms) == 0) {
      if (next == hosts) break;
      continue;
    }
    struct sockaddr_ll from;
    socklen_t length = sizeof from;
    ssize_t n = recvfrom(fd, frame, sizeof frame, 0, (struct sockaddr *)&from, &length);
    if (n < 42 || from.sll_pkttype == PACKET_OUTGOING) continue;
    int is_reply = frame[12] == 8 && frame[13] == 6 && frame[21] == 2;
    int is_pong = frame[12] == 8 && frame[13] == 0 && frame[23] == 1 && frame[34] == 0;
    int is_advertisement = frame[12] == 0x86 && n >= 78 && frame[20] == 58 && frame[54] == 136;
    for (int i = 0; i < hosts; i++) {
      if (is_reply && memcmp(frame + 28, ask[i] + 38, 4) == 0) {
        memcpy(ping[i], frame + 6, 6);
        send(fd, ping[i], ping_length[i], 0);
      }
      if ((is_pong && memcmp(frame + 26, ask[i] + 38, 4) == 0) ||
          (is_advertisement && memcmp(frame + 62, ask[i] + 62, 16) == 0)) {
        if (!is_done[i]) is_done[i] = 1, answers++, last = now_ns();
      }
    }
  }
  printf("%d %.3f\n", answers, (double)(last - start) / 1e6);
}
