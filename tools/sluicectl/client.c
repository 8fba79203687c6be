/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libcurl over a Unix socket. A refusal (HTTP 4xx, 5xx) is told apart from a sluiced that is not there.
 */
#include "client.h"

#include <curl/curl.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sluice/abi.h"

enum { ANSWER_MAX = 64 << 20, TIMEOUT_S = 10, SOCKET_PATH_MAX = sizeof(((struct sockaddr_un *)0)->sun_path) };

struct answer {
	char *text;
	size_t len;
};

static const char *default_runtime_dir(void)
{
	struct statfs fs;

	return statfs("/run", &fs) == 0 && fs.f_type == TMPFS_MAGIC ? SL_RUNTIME_DIR : SL_RUNTIME_DIR_SHM;
}

static size_t on_data(char *bytes, size_t size, size_t count, void *ctx)
{
	struct answer *answer = ctx;
	const size_t len = size * count;
	char *text;

	if (len > ANSWER_MAX - answer->len)
		return 0;
	text = realloc(answer->text, answer->len + len + 1);
	if (text == NULL)
		return 0;
	memcpy(text + answer->len, bytes, len);
	answer->text = text;
	answer->len += len;
	answer->text[answer->len] = 0;
	return len;
}

/* curl says only that it could not connect; trying once more says why. */
static int connect_errno(const char *socket_path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return errno;
	memcpy(sa.sun_path, socket_path, strlen(socket_path) + 1);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		err = errno;
	close(fd);
	return err;
}

static enum ctl_exit not_reached(const struct ctl_options *options, const char *socket_path, CURLcode code)
{
	const int err = connect_errno(socket_path);

	if (options->silent_absence)
		return CTL_NOT_REACHED;
	if (err == ENOENT || err == ECONNREFUSED)
		fprintf(stderr,
			"sluicectl: no sluiced at %s: start it, or name its instance with --instance or --runtime-dir\n",
			socket_path);
	else if (err == EACCES || err == EPERM)
		fprintf(stderr, "sluicectl: %s is not yours: run as root or as a member of the socket's group\n",
			socket_path);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		fprintf(stderr, "sluicectl: sluiced at %s did not answer within %d s: look at its log\n", socket_path,
			(int)TIMEOUT_S);
	else
		fprintf(stderr, "sluicectl: sluiced at %s: %s: is it being stopped? try again\n", socket_path,
			err != 0 ? strerror(err) : curl_easy_strerror(code));
	return CTL_NOT_REACHED;
}

static enum ctl_exit refused(const struct ctl_options *options, const json_t *answer, long status)
{
	const char *error = json_string_value(json_object_get(answer, "error"));
	const char *remedy = json_string_value(json_object_get(answer, "remedy"));

	if (options->json && answer != NULL)
		client_print(answer);
	if (error != NULL)
		fprintf(stderr, "sluicectl: %s%s%s\n", error, remedy != NULL ? ": " : "", remedy != NULL ? remedy : "");
	else
		fprintf(stderr, "sluicectl: sluiced answered with HTTP status %ld: are both of one version?\n", status);
	return CTL_REFUSED;
}

static enum ctl_exit perform(const struct ctl_options *options, CURL *curl, const char *socket_path,
			     json_t **ret_answer)
{
	struct answer answer = {.text = NULL};
	json_t *json = NULL;
	enum ctl_exit result;
	long status = 0;
	CURLcode code;

	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
	code = curl_easy_perform(curl);
	if (code == CURLE_OK) {
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
		json = answer.text != NULL ? json_loadb(answer.text, answer.len, 0, NULL) : NULL;
	}
	free(answer.text);
	if (code != CURLE_OK) {
		result = not_reached(options, socket_path, code);
	} else if (status == 200 && json != NULL) {
		*ret_answer = json;
		return CTL_DONE;
	} else {
		result = refused(options, json, status);
	}
	json_decref(json);
	return result;
}

static enum ctl_exit request(const struct ctl_options *options, const char *path, const char *body,
			     json_t **ret_answer)
{
	char socket_path[SOCKET_PATH_MAX];
	struct curl_slist *headers = NULL;
	char url[1024];
	enum ctl_exit result;
	CURL *curl;
	int len;

	len = snprintf(socket_path, sizeof(socket_path), "%s/%s/%s",
		       options->runtime_dir != NULL ? options->runtime_dir : default_runtime_dir(), options->instance,
		       SL_API_SOCKET);
	if ((size_t)len >= sizeof(socket_path) ||
	    (size_t)snprintf(url, sizeof(url), "http://sluiced%s", path) >= sizeof(url)) {
		fprintf(stderr, "sluicectl: a name is too long: shorten it\n");
		return CTL_REFUSED;
	}
	curl = curl_easy_init();
	if (curl == NULL) {
		fprintf(stderr, "sluicectl: no memory\n");
		return CTL_REFUSED;
	}
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	if (body != NULL) {
		headers = curl_slist_append(headers, "Content-Type: application/json");
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	}
	result = perform(options, curl, socket_path, ret_answer);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	return result;
}

enum ctl_exit client_get(const struct ctl_options *options, const char *path, json_t **ret_answer)
{
	return request(options, path, NULL, ret_answer);
}

enum ctl_exit client_show(const struct ctl_options *options, const char *path, json_t **ret_answer)
{
	enum ctl_exit result = client_get(options, path, ret_answer);

	if (result == CTL_DONE && options->json) {
		client_print(*ret_answer);
		json_decref(*ret_answer);
		*ret_answer = NULL;
	}
	return result;
}

enum ctl_exit client_post(const struct ctl_options *options, const char *path, const json_t *body,
			  json_t **ret_answer)
{
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : strdup("");
	enum ctl_exit result;

	if (text == NULL) {
		fprintf(stderr, "sluicectl: no memory\n");
		return CTL_REFUSED;
	}
	result = request(options, path, text, ret_answer);
	free(text);
	return result;
}

/* RFC 3986 section 2.3: what need not be escaped. */
char *client_escape(const char *name)
{
	char *escaped = malloc(3 * strlen(name) + 1);
	char *to = escaped;

	if (escaped == NULL)
		return NULL;
	for (; *name != 0; name++) {
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", *name) != NULL)
			*to++ = *name;
		else
			to += sprintf(to, "%%%02X", (unsigned char)*name);
	}
	*to = 0;
	return escaped;
}

void client_print(const json_t *answer)
{
	json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	putchar('\n');
}
