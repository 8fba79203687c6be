/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One request in, one answer out: which function answers which method and path. Knows nothing of
 * sockets, so tests call it directly; api.c is the HTTP around it.
 */
#ifndef CONTROLPLANE_API_ROUTE_H
#define CONTROLPLANE_API_ROUTE_H

#include <jansson.h>

#include "api.h"

enum { API_PATH_PARTS_MAX = 2 }; /* names in a path: pool and backend */

struct api_request {
	const struct api_source *source;
	const char *who;                       /* account at the other end of the socket */
	const char *part[API_PATH_PARTS_MAX];  /* what {…} of the route stands for, decoded */
	const json_t *body;                    /* an object; NULL: none was sent */
};

struct api_response {
	unsigned int status; /* HTTP */
	json_t *body;        /* owned by the receiver; NULL: no memory */
};

/*
 * Answers one request. `path` is decoded only between its slashes; `body` need not be terminated. Every
 * error is {"error": …, "remedy": …} with a fitting status.
 */
struct api_response api_answer(const struct api_source *source, const char *method, const char *path,
			       const char *body, size_t body_len, const char *who);

/* The functions of the route table; each api_<noun>.c has its own. */
struct api_response api_get_status(const struct api_request *request);
struct api_response api_get_services(const struct api_request *request);
struct api_response api_get_backends(const struct api_request *request);
struct api_response api_get_stats(const struct api_request *request);
struct api_response api_get_verdicts(const struct api_request *request);
struct api_response api_get_workers(const struct api_request *request);
struct api_response api_get_flows(const struct api_request *request);
struct api_response api_get_datapath(const struct api_request *request);
struct api_response api_post_drain(const struct api_request *request);
struct api_response api_get_drain(const struct api_request *request);
struct api_response api_post_retire(const struct api_request *request);
struct api_response api_post_off(const struct api_request *request);
struct api_response api_post_ready(const struct api_request *request);
struct api_response api_post_dpdk(const struct api_request *request);
struct api_response api_post_reload(const struct api_request *request);

/* {"error": …, "remedy": …}. */
struct api_response api_error(unsigned int status, const char *error, const char *remedy);
/* Takes over `body`; NULL (no memory) becomes a 500 without a body. */
struct api_response api_ok(json_t *body);
/* A string, or null for NULL and for what is no UTF-8. */
json_t *api_string(const char *text);
/* Counters past 2^63 do not fit a JSON integer here: they stay at its maximum. */
json_t *api_u64(uint64_t value);
/* By name, those that are 0 too: what is compared over time must be there. */
json_t *api_flow_counters(const __u64 counter[SL_FLOW_COUNT_COUNT]);
/* By kind of traffic: tcp, quic, udp. */
json_t *api_kinds(const uint64_t kinds[SL_FLOW_KIND_COUNT]);
/* 16 hexadecimal digits. */
json_t *api_hex(uint64_t value);
json_t *api_address(const struct sl_addr *address);

#endif
