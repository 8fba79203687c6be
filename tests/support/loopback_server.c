/* SPDX-License-Identifier: BSD-3-Clause */
/* A thread a connection: tests are small, and a slow answer must not hold up another. */
#include "loopback_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct loopback_server {
	bool v6;
	int fd;
	uint16_t port;
	pid_t pid; /* forked, else 0 */
	pthread_t thread;
	atomic_uint accepted;
};

static void send_text(int fd, const char *text)
{
	(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void send_huge(int fd)
{
	static char block[65536];

	send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 67108868\r\n\r\n");
	for (int i = 0; i < 1024; i++)
		if (send(fd, block, sizeof(block), MSG_NOSIGNAL) != sizeof(block))
			return;
	send_text(fd, "late");
}

static void send_split(int fd)
{
	send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n");
	for (const char *s = "aneedle!"; *s != 0; s++) {
		usleep(2000);
		(void)!send(fd, s, 1, MSG_NOSIGNAL);
	}
}

static void send_headers(int fd)
{
	char line[1024];

	memset(line, 'h', sizeof(line));
	memcpy(line, "X: ", 3);
	memcpy(line + sizeof(line) - 2, "\r\n", 2);
	send_text(fd, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 65536; i++)
		if (send(fd, line, sizeof(line), MSG_NOSIGNAL) != sizeof(line))
			return;
}

static void answer(int fd, const char *request)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	char text[256];
	int status;

	if (sscanf(request, "GET /status/%d ", &status) == 1) {
		snprintf(text, sizeof(text), "HTTP/1.1 %d Text\r\nContent-Length: %d\r\n\r\n%s", status,
			 status == 204 ? 0 : 5, status == 204 ? "" : "body\n");
		send_text(fd, text);
	} else if (strncmp(request, "GET /body ", 10) == 0) {
		send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\nall is well today");
	} else if (strncmp(request, "GET /partial ", 13) == 0) {
		send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome");
	} else if (strncmp(request, "GET /garbage ", 13) == 0) {
		send_text(fd, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
	} else if (strncmp(request, "GET /huge ", 10) == 0) {
		send_huge(fd);
	} else if (strncmp(request, "GET /split ", 11) == 0) {
		send_split(fd);
	} else if (strncmp(request, "GET /headers ", 13) == 0) {
		send_headers(fd);
	} else if (strncmp(request, "GET /host ", 10) == 0) {
		send_text(fd, strstr(request, "\r\nHost: www.example.net\r\n") != NULL
				      ? "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
				      : "HTTP/1.1 421 Misdirected\r\nContent-Length: 0\r\n\r\n");
	} else if (strncmp(request, "GET /redirect ", 14) == 0) {
		send_text(fd, "HTTP/1.1 302 Found\r\nLocation: /status/200\r\nContent-Length: 0\r\n\r\n");
	} else if (strncmp(request, "GET /reset ", 11) == 0) {
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	} else if (strncmp(request, "GET /slow ", 10) == 0) {
		(void)!recv(fd, text, sizeof(text), 0); /* until the other end gives up */
	}
}

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char request[4096];
	size_t len = 0;
	ssize_t n;

	request[0] = 0;
	while (strstr(request, "\r\n\r\n") == NULL && len < sizeof(request) - 1) {
		n = recv(fd, request + len, sizeof(request) - 1 - len, 0);
		if (n <= 0)
			break;
		len += (size_t)n;
		request[len] = 0;
	}
	answer(fd, request);
	close(fd);
	return NULL;
}

static void *accept_loop(void *arg)
{
	struct loopback_server *server = arg;

	for (;;) {
		int fd = accept(server->fd, NULL, NULL);
		pthread_t thread;

		if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
			continue;
		if (fd < 0)
			return NULL;
		atomic_fetch_add(&server->accepted, 1);
		if (server->pid == 0 && pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) == 0)
			pthread_detach(thread);
		else
			serve((void *)(intptr_t)fd);
	}
}

static int listen_somewhere(bool v6, bool any, uint16_t *ret_port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(any ? INADDR_ANY : INADDR_LOOPBACK)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr *sa = v6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in;
	socklen_t len = v6 ? sizeof(in6) : sizeof(in);
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (any && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) < 0)
		goto fail;
	if (bind(fd, sa, len) < 0 || listen(fd, 1024) < 0 || getsockname(fd, sa, &len) < 0)
		goto fail;
	*ret_port = ntohs(v6 ? in6.sin6_port : in.sin_port);
	return fd;
fail:
	close(fd);
	return -1;
}

static struct loopback_server *server_create(bool v6, bool any)
{
	struct loopback_server *server = calloc(1, sizeof(*server));

	if (server == NULL)
		return NULL;
	server->v6 = v6;
	server->fd = listen_somewhere(v6, any, &server->port);
	if (server->fd < 0) {
		free(server);
		return NULL;
	}
	return server;
}

struct loopback_server *loopback_server_start(bool v6)
{
	struct loopback_server *server = server_create(v6, false);

	if (server != NULL && pthread_create(&server->thread, NULL, accept_loop, server) != 0) {
		close(server->fd);
		free(server);
		return NULL;
	}
	return server;
}

struct loopback_server *loopback_server_start_any(void)
{
	struct loopback_server *server = server_create(false, true);

	if (server == NULL)
		return NULL;
	server->pid = fork();
	if (server->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		server->pid = -1; /* no threads: as little load as possible */
		accept_loop(server);
		_exit(0);
	}
	return server;
}

void loopback_server_stop(struct loopback_server *server)
{
	if (server->pid > 0) {
		kill(server->pid, SIGKILL);
		waitpid(server->pid, NULL, 0);
	} else {
		shutdown(server->fd, SHUT_RDWR); /* wakes accept() */
		pthread_join(server->thread, NULL);
	}
	close(server->fd);
	free(server);
}

uint16_t loopback_server_port(const struct loopback_server *server)
{
	return server->port;
}

struct sl_addr loopback_server_address(const struct loopback_server *server)
{
	struct sl_addr v6 = {.b = {[15] = 1}};

	return server->v6 ? v6 : sl_addr_from_v4(htonl(INADDR_LOOPBACK));
}

unsigned int loopback_server_accepted(const struct loopback_server *server)
{
	return atomic_load(&server->accepted);
}
