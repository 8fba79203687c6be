/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The TUN device's way from sluiced to sluice-dp and its end: sluice-dp's half of dataplane.sock, with
 * the other half played here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "dataplane/device.h"
#include "dataplane/log.h"
#include "netns.h"
#include "sluice/abi.h"

enum { SESSION = 77 };

static struct {
	char dir[64], path[108];
	int listener, peer;
	struct device device;
	uint64_t now_ns;
} lab;

static void tick(bool workers_well)
{
	lab.now_ns += 1000000000;
	device_tick(&lab.device, lab.now_ns, SESSION, workers_well);
}

static void listen_here(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	unlink(lab.path);
	strcpy(address.sun_path, lab.path);
	lab.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(lab.listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(lab.listener, 1), 0);
}

static void accept_peer(void)
{
	lab.peer = accept4(lab.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(lab.peer >= 0);
}

static void expect(enum sl_device_kind kind, uint32_t flags, const char *ifname)
{
	struct sl_device_msg msg;

	assert_int_equal(recv(lab.peer, &msg, sizeof(msg), 0), sizeof(msg));
	assert_true(msg.magic == SL_DEVICE_MAGIC && msg.session == SESSION && msg.pid == (uint64_t)getpid());
	assert_int_equal(msg.kind, kind);
	assert_int_equal(msg.flags, flags);
	assert_string_equal(msg.ifname, ifname);
}

/* Sends `len` bytes, with a descriptor where `fd` is one. */
static void say_bytes(void *bytes, size_t len, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = bytes, .iov_len = len};
	struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		hdr.msg_control = &control;
		hdr.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	assert_int_equal(sendmsg(lab.peer, &hdr, 0), len);
	if (fd >= 0)
		close(fd);
}

static void say(enum sl_device_kind kind, const char *ifname, int fd)
{
	struct sl_device_msg msg = {.magic = SL_DEVICE_MAGIC, .kind = kind};

	strcpy(msg.ifname, ifname);
	say_bytes(&msg, sizeof(msg), fd);
}

static int tun_open(const char *name)
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	const int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	strcpy(ifr.ifr_name, name);
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	return fd;
}

static int setup(void **state)
{
	(void)state;
	strcpy(lab.dir, "/dev/shm/sluice-device-XXXXXX");
	assert_non_null(mkdtemp(lab.dir));
	snprintf(lab.path, sizeof(lab.path), "%s/" SL_DATAPLANE_SOCKET, lab.dir);
	lab.peer = -1;
	listen_here();
	assert_int_equal(device_init(&lab.device, lab.dir, (uid_t)-1), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	device_fini(&lab.device);
	close(lab.peer);
	close(lab.listener);
	unlink(lab.path);
	return rmdir(lab.dir);
}

/* Up to the point where sluice0 is held. */
static void hand_over(void)
{
	tick(true);
	accept_peer();
	expect(SL_DEVICE_WANT, 0, "");
	say(SL_DEVICE_OFFER, "sluice0", tun_open("sluice0"));
	tick(true);
	expect(SL_DEVICE_HAVE, 0, "sluice0");
	assert_int_not_equal(if_nametoindex("sluice0"), 0);
}

static void the_device_lives_as_long_as_we_do(void **state)
{
	(void)state;
	hand_over();
	close(lab.peer); /* sluiced dies */
	lab.peer = -1;
	tick(true);
	assert_int_not_equal(if_nametoindex("sluice0"), 0);
	device_fini(&lab.device);
	assert_int_equal(if_nametoindex("sluice0"), 0);
}

static void a_restarted_sluiced_is_told_and_may_let_us_keep_it(void **state)
{
	(void)state;
	hand_over();
	close(lab.peer);
	close(lab.listener);
	unlink(lab.path);
	tick(true); /* nobody listens */
	tick(true);
	listen_here();
	tick(true);
	accept_peer();
	expect(SL_DEVICE_HAVE, 0, "sluice0");
	say(SL_DEVICE_KEEP, "", -1);
	tick(true);
	assert_int_not_equal(if_nametoindex("sluice0"), 0);
	say(SL_DEVICE_RELEASE, "", -1);
	tick(true);
	expect(SL_DEVICE_GONE, 0, "");
	assert_int_equal(if_nametoindex("sluice0"), 0);
}

static void workers_that_hang_lose_the_device_and_get_it_back(void **state)
{
	(void)state;
	hand_over();
	tick(false);
	expect(SL_DEVICE_GONE, SL_DEVICE_GONE_STUCK, "");
	assert_int_equal(if_nametoindex("sluice0"), 0);
	say(SL_DEVICE_OFFER, "sluice0", tun_open("sluice0")); /* sent before GONE was read */
	tick(false);
	expect(SL_DEVICE_GONE, SL_DEVICE_GONE_STUCK, "");
	assert_int_equal(if_nametoindex("sluice0"), 0);
	tick(true);
	expect(SL_DEVICE_WANT, 0, "");
	say(SL_DEVICE_OFFER, "sluice0", tun_open("sluice0"));
	tick(true);
	expect(SL_DEVICE_HAVE, 0, "sluice0");
}

static void what_is_no_tun_device_of_that_name_is_refused(void **state)
{
	(void)state;
	tick(true);
	accept_peer();
	expect(SL_DEVICE_WANT, 0, "");
	say(SL_DEVICE_OFFER, "sluice0", open("/dev/null", O_RDWR));
	tick(true);
	assert_int_equal(lab.device.tun, -1);
	assert_int_equal(recv(lab.peer, &(char){0}, 1, 0), 0); /* closed */
	close(lab.peer);
	tick(true);
	accept_peer();
	expect(SL_DEVICE_WANT, 0, "");
	say(SL_DEVICE_OFFER, "sluice0", tun_open("other0"));
	tick(true);
	assert_int_equal(lab.device.tun, -1);
	assert_int_equal(if_nametoindex("other0"), 0);
}

static void a_message_that_is_none_of_ours_ends_the_connection(void **state)
{
	(void)state;
	hand_over();
	assert_int_equal(send(lab.peer, "hello", 5, 0), 5);
	tick(true);
	assert_int_equal(recv(lab.peer, &(char){0}, 1, 0), 0);
	assert_int_not_equal(if_nametoindex("sluice0"), 0); /* what is held stays */
}

static unsigned int descriptors_open(void)
{
	unsigned int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void an_empty_message_leaves_no_descriptor_behind(void **state)
{
	unsigned int before;

	(void)state;
	hand_over();
	before = descriptors_open();
	say_bytes(NULL, 0, open("/dev/null", O_RDWR | O_CLOEXEC));
	tick(true);
	assert_int_equal(recv(lab.peer, &(char){0}, 1, 0), 0);
	assert_int_equal(descriptors_open(), before - 1); /* the connection */
}

static void a_peer_that_stays_wrong_is_complained_of_once(void **state)
{
	char log[512] = "";
	int ends[2], saved = dup(STDERR_FILENO);

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	dup2(ends[1], STDERR_FILENO);
	log_setup(LOG_FORMAT_TEXT, LOG_LEVEL_WARNING);
	for (int i = 0; i < 3; i++) {
		tick(true);
		accept_peer();
		say_bytes((char[]){"hello"}, 5, -1);
		tick(true);
		close(lab.peer);
	}
	lab.peer = -1;
	log_setup(LOG_FORMAT_TEXT, LOG_LEVEL_COUNT);
	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_true(read(ends[0], log, sizeof(log) - 1) > 0);
	close(ends[0]);
	close(ends[1]);
	assert_non_null(strstr(log, "unknown message on the device socket"));
	assert_ptr_equal(strchr(log, '\n'), strrchr(log, '\n'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_device_lives_as_long_as_we_do, setup, teardown),
		cmocka_unit_test_setup_teardown(a_restarted_sluiced_is_told_and_may_let_us_keep_it, setup, teardown),
		cmocka_unit_test_setup_teardown(workers_that_hang_lose_the_device_and_get_it_back, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_tun_device_of_that_name_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_message_that_is_none_of_ours_ends_the_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(an_empty_message_leaves_no_descriptor_behind, setup, teardown),
		cmocka_unit_test_setup_teardown(a_peer_that_stays_wrong_is_complained_of_once, setup, teardown),
	};

	netns_enter();
	log_setup(LOG_FORMAT_TEXT, LOG_LEVEL_COUNT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
