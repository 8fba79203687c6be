/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The route table and what all routes share: matching, decoding, errors, JSON values. A new route is one
 * row and one function.
 */
#include "api_route.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sluice/limits.h"

struct route {
	const char *method;
	const char *path; /* {} stands for one name */
	struct api_response (*answer)(const struct api_request *request);
};

static const struct route routes[] = {
	{"GET", "/v1/status", api_get_status},
	{"GET", "/v1/services", api_get_services},
	{"GET", "/v1/backends", api_get_backends},
	{"GET", "/v1/stats", api_get_stats},
	{"GET", "/v1/verdicts", api_get_verdicts},
	{"GET", "/v1/workers", api_get_workers},
	{"GET", "/v1/datapath", api_get_datapath},
	{"GET", "/v1/flows", api_get_flows},
	{"GET", "/v1/backends/{}/drain", api_get_drain}, /* the only pool with such a backend */
	{"GET", "/v1/backends/{}/{}/drain", api_get_drain}, /* pool, backend */
	{"POST", "/v1/backends/{}/drain", api_post_drain},
	{"POST", "/v1/backends/{}/{}/drain", api_post_drain},
	{"POST", "/v1/backends/{}/retire", api_post_retire},
	{"POST", "/v1/backends/{}/{}/retire", api_post_retire},
	{"POST", "/v1/backends/{}/off", api_post_off},
	{"POST", "/v1/backends/{}/{}/off", api_post_off},
	{"POST", "/v1/backends/{}/ready", api_post_ready},
	{"POST", "/v1/backends/{}/{}/ready", api_post_ready},
	{"POST", "/v1/datapath/dpdk", api_post_dpdk},
	{"POST", "/v1/reload", api_post_reload},
};

/* What a request's path names, decoded. */
struct names {
	char text[API_PATH_PARTS_MAX][SL_NAME_MAX];
	size_t count;
	const char *fault; /* one of them is no name: why; NULL: all are */
};

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_utf8(const char *text)
{
	json_t *string = json_string(text);

	json_decref(string);
	return string != NULL;
}

/* The character at *path, decoded, and *path behind it; 0: it is none that a name can have. */
static char take_char(const char **path)
{
	const char c = *(*path)++;
	int high, low;

	if (c != '%')
		return c;
	high = hex_digit((*path)[0]);
	low = high < 0 ? -1 : hex_digit((*path)[1]);
	if (low < 0)
		return 0;
	*path += 2;
	return (char)(high << 4 | low);
}

/* Takes what stands for a name, up to the next slash, and returns where it ends. */
static const char *take_name(const char *path, struct names *names)
{
	char *name = names->text[names->count++];
	size_t len = 0;

	if (*path == 0 || *path == '/')
		names->fault = "it is empty";
	while (*path != 0 && *path != '/') {
		const char c = take_char(&path);

		if (c == 0)
			names->fault = "it is not escaped as a URL is";
		else if (len + 1 >= SL_NAME_MAX)
			names->fault = "it is too long";
		else
			name[len++] = c;
	}
	name[len] = 0;
	if (names->fault == NULL && !is_utf8(name))
		names->fault = "it is not UTF-8";
	return path;
}

static bool route_matches(const char *pattern, const char *path, struct names *names)
{
	names->count = 0;
	names->fault = NULL;
	while (*pattern != 0) {
		if (*pattern == '{') {
			path = take_name(path, names);
			pattern += 2;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return *path == 0;
}

static struct api_response call(const struct route *route, struct api_request *request, const struct names *names,
				const char *body, size_t body_len)
{
	struct api_response response;
	json_t *json = NULL;

	for (size_t i = 0; i < names->count; i++)
		request->part[i] = names->text[i];
	if (body_len > 0) {
		json = json_loadb(body, body_len, JSON_REJECT_DUPLICATES, NULL);
		if (!json_is_object(json)) {
			json_decref(json);
			return api_error(400, "the body is no JSON object", "send {} or nothing");
		}
	}
	request->body = json;
	response = route->answer(request);
	json_decref(json);
	return response;
}

static struct api_response no_such_name(const char *fault)
{
	char text[96];

	snprintf(text, sizeof(text), "no backend or pool has such a name: %s", fault);
	return api_error(404, text, "sluicectl show backends lists them");
}

struct api_response api_answer(const struct api_source *source, const char *method, const char *path,
			       const char *body, size_t body_len, const char *who)
{
	struct api_request request = {.source = source, .who = who};
	bool known = false;
	struct names names;

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (!route_matches(routes[i].path, path, &names))
			continue;
		known = true;
		if (strcmp(routes[i].method, method) != 0)
			continue;
		if (names.fault != NULL)
			return no_such_name(names.fault);
		return call(&routes[i], &request, &names, body, body_len);
	}
	if (known)
		return api_error(405, "this path has no such method", "GET shows, POST acts");
	return api_error(404, "no such path", "see sluicectl(8), or GET /v1/status");
}

struct api_response api_error(unsigned int status, const char *error, const char *remedy)
{
	return (struct api_response){
		.status = status,
		.body = json_pack("{s:o, s:o}", "error", api_string(error), "remedy", api_string(remedy)),
	};
}

struct api_response api_ok(json_t *body)
{
	return (struct api_response){.status = body != NULL ? 200 : 500, .body = body};
}

json_t *api_string(const char *text)
{
	json_t *string = text != NULL ? json_string(text) : NULL; /* NULL when it is no UTF-8 */

	return string != NULL ? string : json_null();
}

json_t *api_u64(uint64_t value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

json_t *api_hex(uint64_t value)
{
	char text[17];

	snprintf(text, sizeof(text), "%016" PRIx64, value);
	return json_string(text);
}

json_t *api_address(const struct sl_addr *address)
{
	const bool v4 = sl_addr_is_v4(address);
	char text[INET6_ADDRSTRLEN];

	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? (const void *)&address->w[3] : address->b, text, sizeof(text));
	return json_string(text);
}
