/*
 * The least that a client in C does at a failover: reads the key file, signs one request and
 * broadcasts it. The key in the file serves as the request key: deriving one takes microseconds.
 *
 *   first ADDRESS PORT KEYFILE
 */
#include "peer.h"
#include <sys/random.h>

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  char line[128] = "";
  FILE *file = fopen(argv[3], "r");
  if (file == NULL) die(argv[3]);
  while (fgets(line, sizeof line, file) != NULL && line[0] == '#') {}
  fclose(file);
  hmac_key key;
  hmac_init(&key, (uint8_t *)line, strnlen(line, 44));
  uint8_t request[header_length + mac_length] = {'A', 'R', 'P', 'F', 1, 1, 1, 1};
  if (getrandom(request + 20, 16, 0) != 16) die("Cannot get random bytes");
  gethostname((char *)request + 48, 63);
  hmac_128(&key, request, header_length, NULL, 0, request + header_length);
  int fd = socket(AF_INET, SOCK_DGRAM, 0), yes = 1;
  struct sockaddr_in to = address_of(argv[1], argv[2]);
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes) != 0) die("socket");
  if (sendto(fd, request, sizeof request, 0, (struct sockaddr *)&to, sizeof to) < 0) die("sendto");
}
