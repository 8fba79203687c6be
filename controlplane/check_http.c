/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP/1.1 GET through libcurl's multi interface: passes when the status is in range and, if asked
 * for, the body contains a substring within its first HTTP_BODY_MAX bytes. A new connection each time
 * (that is what is being checked), closed with RST; no redirects, no proxy from the environment, no
 * signals, no name resolution. Once the outcome is known the rest of the answer is not read.
 */
#include "check.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	HTTP_BODY_MAX = 65536,   /* bytes of the body that are searched */
	HTTP_HEADER_MAX = 65536, /* bytes of all headers; more is no sane server */
	HTTP_IDLE_MAX = 64,      /* easy handles kept for the next probe */
};

/* One easy handle. Between probes it waits in engine->idle, without a run. */
struct http_run {
	CURL *easy;
	struct check_engine *engine;
	struct check_run *run;
	struct http_run *next; /* idle list */
	struct curl_slist *headers;
	char *body;            /* HTTP_BODY_MAX bytes, only when a substring is asked for */
	size_t body_len;
	size_t header_len;
	bool decided;          /* by what was read; the transfer is then cut short */
	enum check_result result;
	int detail;
};

/* A socket of curl's in our loop. Freed when its handle has closed. */
struct http_socket {
	uv_poll_t poll;
	struct check_engine *engine;
	curl_socket_t fd;
};

struct check_engine {
	uv_loop_t *loop;
	CURLM *multi;
	uv_timer_t timer; /* curl's own; the engine is freed when it has closed */
	struct http_run *idle;
	unsigned int idle_count;
};

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void http_run_free(struct http_run *http)
{
	curl_easy_cleanup(http->easy);
	curl_slist_free_all(http->headers);
	free(http->body);
	free(http);
}

/* Takes the handle off curl's hands and keeps it for another probe. */
static struct check_run *http_end(struct http_run *http)
{
	struct check_engine *engine = http->engine;
	struct check_run *run = http->run;

	curl_multi_remove_handle(engine->multi, http->easy);
	curl_slist_free_all(http->headers);
	http->headers = NULL;
	http->run = NULL;
	run->impl = NULL;
	if (engine->idle_count >= HTTP_IDLE_MAX) {
		http_run_free(http);
		return run;
	}
	http->next = engine->idle;
	engine->idle = http;
	engine->idle_count++;
	return run;
}

static enum check_result result_of_curl(CURLcode code, int os_errno)
{
	switch ((int)code) {
	case CURLE_OK:
		return CHECK_PASS;
	case CURLE_COULDNT_CONNECT:
		return os_errno != 0 ? check_result_of_errno(os_errno) : CHECK_FAIL_REFUSED;
	case CURLE_OPERATION_TIMEDOUT:
		return CHECK_FAIL_TIMEOUT;
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
		return CHECK_FAIL_CLOSED;
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		return CHECK_FAIL_RESET;
	case CURLE_OUT_OF_MEMORY:
	case CURLE_FAILED_INIT:
		return CHECK_ERROR_LOCAL;
	default: /* HTTP/0.9, bad chunks, headers too large … */
		return CHECK_FAIL_RESPONSE;
	}
}

static bool status_in_range(const struct http_run *http, long status)
{
	const struct config_check *check = http->run->check;

	return status >= check->status_min && status <= check->status_max;
}

/* What the transfer says, now that curl is done with it. */
static void http_conclude(struct http_run *http, CURLcode code)
{
	enum check_result result = http->result;
	int detail = http->detail;
	struct check_run *run;
	long status = 0;
	long os_errno = 0;

	if (!http->decided) {
		curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
		curl_easy_getinfo(http->easy, CURLINFO_OS_ERRNO, &os_errno);
		result = result_of_curl(code, (int)os_errno);
		detail = (int)os_errno;
		if (code == CURLE_OK && !status_in_range(http, status)) {
			result = CHECK_FAIL_STATUS;
			detail = (int)status;
		} else if (code == CURLE_OK && http->run->check->body != NULL) {
			result = CHECK_FAIL_BODY; /* complete, and never matched */
		}
	}
	run = http_end(http);
	run->done(run, result, detail);
}

/* Concludes what is finished. Outside curl's callbacks only. */
static void http_reap(struct check_engine *engine)
{
	struct http_run *http;
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(engine->multi, &left)) != NULL) {
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&http);
		http_conclude(http, message->data.result);
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct check_engine *engine = timer->data;
	int running;

	curl_multi_socket_action(engine->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	http_reap(engine);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *ctx)
{
	struct check_engine *engine = ctx;

	(void)multi;
	if (timeout_ms < 0)
		uv_timer_stop(&engine->timer);
	else
		uv_timer_start(&engine->timer, on_timer, (uint64_t)timeout_ms, 0);
	return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct http_socket *sock = poll->data;
	struct check_engine *engine = sock->engine;
	int flags = 0;
	int running;

	if (status < 0)
		flags |= CURL_CSELECT_ERR;
	if ((events & UV_READABLE) != 0)
		flags |= CURL_CSELECT_IN;
	if ((events & UV_WRITABLE) != 0)
		flags |= CURL_CSELECT_OUT;
	curl_multi_socket_action(engine->multi, sock->fd, flags, &running);
	http_reap(engine);
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
	struct check_engine *engine = ctx;
	struct http_socket *sock = socket_ctx;
	int events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (sock != NULL)
			uv_close((uv_handle_t *)&sock->poll, on_closed);
		return 0;
	}
	if (sock == NULL) {
		sock = calloc(1, sizeof(*sock));
		if (sock == NULL || uv_poll_init(engine->loop, &sock->poll, fd) < 0) {
			free(sock);
			return -1;
		}
		sock->poll.data = sock;
		sock->engine = engine;
		sock->fd = fd;
		curl_multi_assign(engine->multi, fd, sock);
	}
	if ((what & CURL_POLL_IN) != 0)
		events |= UV_READABLE;
	if ((what & CURL_POLL_OUT) != 0)
		events |= UV_WRITABLE;
	uv_poll_start(&sock->poll, events, on_poll);
	return 0;
}

/* No TIME_WAIT, as for TCP checks. */
static int on_curl_sockopt(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	(void)ctx;
	(void)purpose;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	return CURL_SOCKOPT_OK;
}

/* Fixes the outcome and makes curl stop: a short count ends the transfer. */
static size_t decide(struct http_run *http, enum check_result result, int detail)
{
	http->decided = true;
	http->result = result;
	http->detail = detail;
	return 0;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *ctx)
{
	struct http_run *http = ctx;

	(void)bytes;
	http->header_len += size * count;
	if (http->header_len > HTTP_HEADER_MAX)
		return decide(http, CHECK_FAIL_RESPONSE, 0);
	return size * count;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
	struct http_run *http = ctx;
	const char *wanted = http->run->check->body;
	size_t len = size * count;
	long status = 0;

	curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
	if (!status_in_range(http, status))
		return decide(http, CHECK_FAIL_STATUS, (int)status);
	if (wanted == NULL)
		return decide(http, CHECK_PASS, 0);
	if (len > HTTP_BODY_MAX - http->body_len)
		len = HTTP_BODY_MAX - http->body_len;
	memcpy(http->body + http->body_len, bytes, len);
	http->body_len += len;
	if (memmem(http->body, http->body_len, wanted, strlen(wanted)) != NULL)
		return decide(http, CHECK_PASS, 0);
	if (http->body_len == HTTP_BODY_MAX)
		return decide(http, CHECK_FAIL_BODY, 0);
	return size * count;
}

/* Options that are the same for every probe. */
static int http_easy_create(struct check_engine *engine, struct http_run **ret_http)
{
	struct http_run *http = calloc(1, sizeof(*http));
	CURL *easy;

	if (http == NULL)
		return -ENOMEM;
	easy = curl_easy_init();
	if (easy == NULL) {
		free(http);
		return -ENOMEM;
	}
	http->easy = easy;
	http->engine = engine;
	curl_easy_setopt(easy, CURLOPT_PRIVATE, http);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L); /* numeric hosts: pruning a full cache is the cost */
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "sluiced");
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_curl_sockopt);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, http);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, http);
	*ret_http = http;
	return 0;
}

/* Options of this probe. */
static int http_prepare(struct http_run *http, struct check_run *run)
{
	const struct config_check *check = run->check;
	const bool v4 = sl_addr_is_v4(&run->address);
	char host[256 + sizeof("Host: ")];
	char text[INET6_ADDRSTRLEN];
	char url[1024 + 64];
	int len;

	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? (const void *)&run->address.w[3] : run->address.b, text, sizeof(text));
	len = snprintf(url, sizeof(url), v4 ? "http://%s:%u%s" : "http://[%s]:%u%s", text, run->port,
		       check->path != NULL ? check->path : "/");
	if (len < 0 || (size_t)len >= sizeof(url))
		return -ENAMETOOLONG;
	http->headers = curl_slist_append(NULL, "Connection: close");
	if (check->host != NULL && http->headers != NULL) {
		snprintf(host, sizeof(host), "Host: %s", check->host);
		if (curl_slist_append(http->headers, host) == NULL)
			return -ENOMEM;
	}
	if (check->body != NULL && http->body == NULL)
		http->body = malloc(HTTP_BODY_MAX);
	if (http->headers == NULL || (check->body != NULL && http->body == NULL))
		return -ENOMEM;
	curl_easy_setopt(http->easy, CURLOPT_HTTPHEADER, http->headers);
	if (curl_easy_setopt(http->easy, CURLOPT_URL, url) != CURLE_OK)
		return -ENOMEM;
	http->run = run;
	http->body_len = 0;
	http->header_len = 0;
	http->decided = false;
	http->result = CHECK_NONE;
	http->detail = 0;
	return 0;
}

static int http_start(struct check_engine *engine, struct check_run *run)
{
	struct http_run *http = engine->idle;
	int err;

	if (http != NULL) {
		engine->idle = http->next;
		engine->idle_count--;
	} else {
		err = http_easy_create(engine, &http);
		if (err < 0)
			return err;
	}
	err = http_prepare(http, run);
	if (err == 0 && curl_multi_add_handle(engine->multi, http->easy) != CURLM_OK)
		err = -ENOMEM;
	if (err < 0) {
		http_run_free(http);
		return err;
	}
	run->impl = http;
	return 0;
}

static void http_cancel(struct check_engine *engine, struct check_run *run)
{
	(void)engine;
	http_end(run->impl);
}

static int http_create(uv_loop_t *loop, struct check_engine **ret_engine)
{
	struct check_engine *engine = calloc(1, sizeof(*engine));

	if (engine == NULL)
		return -ENOMEM;
	if (curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK)
		goto free_engine;
	engine->multi = curl_multi_init();
	if (engine->multi == NULL)
		goto cleanup_global;
	engine->loop = loop;
	uv_timer_init(loop, &engine->timer);
	engine->timer.data = engine;
	curl_multi_setopt(engine->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	curl_multi_setopt(engine->multi, CURLMOPT_SOCKETDATA, engine);
	curl_multi_setopt(engine->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(engine->multi, CURLMOPT_TIMERDATA, engine);
	*ret_engine = engine;
	return 0;

cleanup_global:
	curl_global_cleanup();
free_engine:
	free(engine);
	return -ENOMEM;
}

static void http_destroy(struct check_engine *engine)
{
	while (engine->idle != NULL) {
		struct http_run *http = engine->idle;

		engine->idle = http->next;
		http_run_free(http);
	}
	curl_multi_cleanup(engine->multi);
	curl_global_cleanup();
	uv_close((uv_handle_t *)&engine->timer, on_closed);
}

const struct check_kind check_http = {
	.name = "http",
	.create = http_create,
	.destroy = http_destroy,
	.start = http_start,
	.cancel = http_cancel,
};
