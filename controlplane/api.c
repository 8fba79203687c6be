/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The HTTP around api_route.c: a Unix socket, libmicrohttpd in its external mode (its epoll descriptor
 * is one more descriptor of our loop), and the limits that keep a bad client from costing anything.
 */
#include "api.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "api_route.h"

enum {
	API_BODY_MAX = 4096,        /* a request's body: one sentence of a person */
	API_CONNECTIONS_MAX = 64,
	API_CONNECTION_MEMORY = 32768, /* request line and headers */
	API_IDLE_S = 10,            /* a client that says nothing for so long is disconnected */
	API_BACKLOG = 16,
};

struct api {
	struct api_source source;
	struct MHD_Daemon *http;
	uv_poll_t poll;   /* http's epoll descriptor */
	uv_timer_t timer; /* when http next has something to do by itself */
	int open_handles; /* of these two; the last to close frees the api */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* Between the calls of on_request() for one request. */
struct upload {
	size_t len;
	char body[API_BODY_MAX];
};

/* ---- one request --------------------------------------------------------------------------------------- */

static void account_of(struct MHD_Connection *connection, char *text, size_t size)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (info == NULL || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		snprintf(text, size, "unknown");
	else if (peer.uid == 0)
		snprintf(text, size, "root");
	else /* no look-up of the name: that could block on a directory service */
		snprintf(text, size, "uid %u", (unsigned int)peer.uid);
}

static enum MHD_Result send_response(struct MHD_Connection *connection, struct api_response response)
{
	char *text = response.body != NULL ? json_dumps(response.body, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
	struct MHD_Response *http;
	enum MHD_Result queued;

	json_decref(response.body);
	if (text == NULL)
		return MHD_NO; /* no memory: the connection closes */
	http = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	if (http == NULL) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(http, "Content-Type", "application/json");
	MHD_add_response_header(http, "Cache-Control", "no-store");
	queued = MHD_queue_response(connection, response.status, http);
	MHD_destroy_response(http);
	return queued;
}

static bool announces_too_much(struct MHD_Connection *connection)
{
	const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");

	return length != NULL && strtoull(length, NULL, 10) > API_BODY_MAX;
}

/* libmicrohttpd calls this once with the headers, then with pieces of the body, then with no more of it. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *path, const char *method,
				  const char *version, const char *data, size_t *data_size, void **state)
{
	struct upload *upload = *state;
	struct api *api = ctx;
	char who[32];

	(void)version;
	if (upload == NULL) {
		if (announces_too_much(connection))
			return send_response(connection, api_error(413, "the body is too long", "send less than 4 KiB"));
		upload = calloc(1, sizeof(*upload));
		*state = upload;
		return upload != NULL ? MHD_YES : MHD_NO;
	}
	if (*data_size > 0) {
		if (*data_size > sizeof(upload->body) - upload->len)
			return MHD_NO; /* chunked and too long */
		memcpy(upload->body + upload->len, data, *data_size);
		upload->len += *data_size;
		*data_size = 0;
		return MHD_YES;
	}
	account_of(connection, who, sizeof(who));
	return send_response(connection, api_answer(&api->source, method, path, upload->body, upload->len, who));
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode why)
{
	(void)ctx;
	(void)connection;
	(void)why;
	free(*state);
	*state = NULL;
}

/* The router decodes: a slash within a name must not become one between names. */
static size_t keep_escapes(void *ctx, struct MHD_Connection *connection, char *text)
{
	(void)ctx;
	(void)connection;
	return strlen(text);
}

/* ---- the loop ------------------------------------------------------------------------------------------ */

static void http_run(struct api *api);

static void on_readable(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	http_run(poll->data);
}

static void on_timer(uv_timer_t *timer)
{
	http_run(timer->data);
}

static void http_run(struct api *api)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	MHD_run(api->http);
	if (MHD_get_timeout(api->http, &timeout_ms) == MHD_YES)
		uv_timer_start(&api->timer, on_timer, timeout_ms > 0 ? timeout_ms : 1, 0);
	else
		uv_timer_stop(&api->timer);
}

static int http_start(struct api *api, uv_loop_t *loop, int fd)
{
	const union MHD_DaemonInfo *info;
	int err;

	api->http = MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, on_request, api, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned int)API_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned int)API_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)API_CONNECTION_MEMORY,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
		MHD_OPTION_END);
	if (api->http == NULL) {
		close(fd);
		return -EIO;
	}
	info = MHD_get_daemon_info(api->http, MHD_DAEMON_INFO_EPOLL_FD);
	err = info != NULL ? uv_poll_init(loop, &api->poll, info->epoll_fd) : -EIO;
	if (err < 0) {
		MHD_stop_daemon(api->http);
		return err;
	}
	uv_timer_init(loop, &api->timer);
	api->poll.data = api->timer.data = api;
	api->open_handles = 2;
	uv_poll_start(&api->poll, UV_READABLE, on_readable);
	return 0;
}

/* ---- the interface ------------------------------------------------------------------------------------- */

/* A socket that is bound before anybody may connect to it, and open to its group only from then on. */
static int listen_at(const char *path, int *ret_fd)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd;
	int err;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if ((unlink(path) < 0 && errno != ENOENT) || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    chmod(path, 0660) < 0 || listen(fd, API_BACKLOG) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

int api_create(uv_loop_t *loop, const char *path, const struct api_source *source, struct api **ret_api)
{
	struct api *api = calloc(1, sizeof(*api));
	int fd = -1;
	int err;

	if (api == NULL)
		return -ENOMEM;
	api->source = *source;
	err = listen_at(path, &fd);
	if (err < 0)
		goto free_api;
	snprintf(api->path, sizeof(api->path), "%s", path);
	err = http_start(api, loop, fd);
	if (err < 0)
		goto unlink_path;
	*ret_api = api;
	return 0;

unlink_path:
	unlink(api->path);
free_api:
	free(api);
	return err;
}

static void on_closed(uv_handle_t *handle)
{
	struct api *api = handle->data;

	if (--api->open_handles == 0)
		free(api);
}

void api_destroy(struct api *api)
{
	if (api == NULL)
		return;
	unlink(api->path);
	uv_close((uv_handle_t *)&api->poll, on_closed);
	uv_close((uv_handle_t *)&api->timer, on_closed);
	MHD_stop_daemon(api->http); /* closes its descriptors, the listening one included */
}
