/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GET /v1/backends, what an operator may do with one (drain, retire, off, ready), and how far its drain is.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api_route.h"

static void emit(void *arg, const struct api_backend *backend)
{
	const double share = backend->table_rows > 0 ? 100.0 * backend->rows / backend->table_rows : 0;

	json_array_append_new(
		arg,
		json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:f, s:o, s:o, s:o, s:o, s:o, s:o}", "pool",
			  api_string(backend->pool), "name", api_string(backend->conf->name), "address",
			  api_address(&backend->conf->address), "weight", api_u64(backend->conf->weight), "state",
			  api_string(backend->state), "health", api_string(backend->health), "reason",
			  api_string(backend->reason), "since", api_u64(backend->since_s), "latency_us",
			  api_u64(backend->latency_us), "admin", api_string(backend->admin), "admin_who",
			  api_string(backend->admin_who), "admin_why", api_string(backend->admin_why), "admin_since",
			  api_u64(backend->admin_since_s), "share_percent", share, "packets",
			  api_u64(backend->counter.packets), "bytes", api_u64(backend->counter.bytes), "ramp_percent",
			  api_u64(backend->ramp_percent), "open_rows", api_kinds(backend->open_rows), "open_s",
			  backend->open_s != UINT64_MAX ? api_u64(backend->open_s) : json_null(), "outer_source",
			  backend->outer_source.d[0] || backend->outer_source.d[1] ? api_address(&backend->outer_source)
										   : json_null()));
}

struct api_response api_get_backends(const struct api_request *request)
{
	json_t *backends = json_array();

	request->source->backends(request->source->ctx, emit, backends);
	return api_ok(json_pack("{s:o}", "backends", backends));
}

/* The pools that have a backend of that name, as a list for a person. */
struct namesakes {
	const char *backend;
	unsigned int count;
	char text[API_ERROR_MAX];
};

static void find_namesakes(void *arg, const struct api_backend *backend)
{
	struct namesakes *found = arg;
	const size_t len = strlen(found->text);

	if (strcmp(backend->conf->name, found->backend) != 0)
		return;
	snprintf(found->text + len, sizeof(found->text) - len, "%s%s", found->count++ > 0 ? ", " : "", backend->pool);
}

static struct api_response refuse(const struct api_request *request, int err, const char *pool, const char *backend,
				  const char *error)
{
	struct namesakes found = {.backend = backend};
	char text[2 * API_ERROR_MAX];

	if (err == -EEXIST) {
		request->source->backends(request->source->ctx, find_namesakes, &found);
		snprintf(text, sizeof(text), "backend %s is in several pools: %s", backend, found.text);
		return api_error(409, text, "name one of them: --pool POOL");
	}
	if (err == -ENOENT) {
		snprintf(text, sizeof(text), pool != NULL ? "no backend %s in pool %s" : "no backend %s", backend, pool);
		return api_error(404, text, "sluicectl show backends lists them");
	}
	if (err == -EINVAL)
		return api_error(409, error, "nothing was changed");
	return api_error(500, error[0] != 0 ? error : strerror(-err), "nothing was changed; the log of sluiced says more");
}

static const char *named_pool(const struct api_request *request)
{
	return request->part[1] != NULL ? request->part[0] : NULL;
}

static const char *named_backend(const struct api_request *request)
{
	return request->part[1] != NULL ? request->part[1] : request->part[0];
}

struct api_response api_get_drain(const struct api_request *request)
{
	struct api_drain drain = {.pool = NULL};
	const int err = request->source->drain(request->source->ctx, named_pool(request), named_backend(request), &drain);

	if (err < 0)
		return refuse(request, err, named_pool(request), named_backend(request), "");
	return api_ok(json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o, s:o, s:o, s:o, s:o}", "pool",
				api_string(drain.pool), "name", api_string(drain.backend), "state",
				api_string(drain.state), "admin", api_string(drain.admin), "admin_who",
				api_string(drain.admin_who), "attached", drain.attached, "drains", drain.drains, "packets",
				api_u64(drain.packets), "quiet_ms", drain.drains ? api_u64(drain.quiet_ms) : json_null(),
				"quiet_wanted_ms", api_u64(drain.quiet_wanted_ms), "flows",
				drain.flows_known ? api_u64(drain.flows) : json_null(), "oldest_s",
				drain.flows_known ? api_u64(drain.oldest_s) : json_null()));
}

static struct api_response set_admin(const struct api_request *request, enum backend_admin admin)
{
	const char *pool = named_pool(request), *backend = named_backend(request);
	const json_t *why = json_object_get(request->body, "why");
	char error[API_ERROR_MAX] = "";
	int err;

	if (why != NULL && !json_is_string(why))
		return api_error(400, "\"why\" is no string", "send {\"why\": \"…\"} or nothing");
	if (why != NULL && json_string_length(why) > API_WHY_MAX)
		return api_error(400, "\"why\" is too long", "say it in 127 bytes");
	err = request->source->set_admin(request->source->ctx, pool, backend, admin, request->who,
					 why != NULL ? json_string_value(why) : "", error);
	if (err < 0)
		return refuse(request, err, pool, backend, error);
	return api_ok(json_pack("{s:s, s:o, s:o}", "done", backend_admin_name(admin), "backend", api_string(backend),
				"pool", api_string(pool)));
}

struct api_response api_post_drain(const struct api_request *request)
{
	return set_admin(request, BACKEND_DRAIN);
}

struct api_response api_post_retire(const struct api_request *request)
{
	return set_admin(request, BACKEND_RETIRE);
}

struct api_response api_post_off(const struct api_request *request)
{
	return set_admin(request, BACKEND_OFF);
}

struct api_response api_post_ready(const struct api_request *request)
{
	return set_admin(request, BACKEND_READY);
}
