/*
 * The least that a client in C does at a failover: reads the key file, makes one request and
 * broadcasts it. Nothing is signed and nothing checked by the key, which would take some 50
 * microseconds more.
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
  uint8_t request[request_length] = {'A', 'R', 'P', 'F', 2, 1, 1, 1};
  if (getrandom(request + 20, 16, 0) != 16) die("Cannot get random bytes");
  gethostname((char *)request + 48, 63);
  int fd = socket(AF_INET, SOCK_DGRAM, 0), yes = 1;
  struct sockaddr_in to = address_of(argv[1], argv[2]);
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes) != 0) die("socket");
  if (sendto(fd, request, sizeof request, 0, (struct sockaddr *)&to, sizeof to) < 0) die("sendto");
}
