/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A real server on loopback for tests of checks: what it answers is asked for by the request's path.
 * It runs in threads of its own.
 */
#ifndef TESTS_LOOPBACK_SERVER_H
#define TESTS_LOOPBACK_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "sluice/types.h"

struct loopback_server;

/*
 *   /status/NNN        that status and a small body       /body        200, body "all is well today"
 *   /slow              nothing at all                     /early       closes before an answer
 *   /partial           closes in the middle of the body   /garbage     bytes that are no HTTP
 *   /reset             RST instead of an answer           /huge        64 MiB of body, "late" at its end
 *   /split             body in single bytes: "nee" "dle"  /headers     headers without end
 *   /host              200 when Host: is www.example.net, else 421
 *   /redirect          302 to /status/200
 */
struct loopback_server *loopback_server_start(bool v6);
/* The same for all of 127/8 in a process of its own, so that its CPU time is not the test's. */
struct loopback_server *loopback_server_start_any(void);
void loopback_server_stop(struct loopback_server *server);
uint16_t loopback_server_port(const struct loopback_server *server);
struct sl_addr loopback_server_address(const struct loopback_server *server);
/* Connections accepted so far (start_any: always 0). */
unsigned int loopback_server_accepted(const struct loopback_server *server);

#endif
