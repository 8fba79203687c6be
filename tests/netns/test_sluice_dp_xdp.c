/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sluice-dp on the AF_XDP sockets of a two-queue veth, steered by sluiced's own program, and on packet sockets:
 *
 *	p0 (this test sends and listens, packet socket) ── veth ── eth1 (two queues, xsk_def_prog)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/steering.h"
#include "dp_process.h"
#include "feeder.h"
#include "netns.h"

enum { FLOWS = 200, FRAME_LEN = 60 };

static struct {
	char runtime[64], dir[80];
	struct dp_process dp;
	struct feeder *feeder;
	struct steering *steering;
	struct sl_vip vip;
	int wire; /* packet socket on p0 */
} lab;

static void frame_make(uint8_t *frame, const char *dst, uint16_t sport)
{
	static const uint8_t start[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, FRAME_LEN - 14, 0, 0,
					0, 0, 64, IPPROTO_UDP};
	uint8_t *ip = frame + 14;
	uint32_t sum = 0;

	memset(frame, 0, FRAME_LEN);
	memcpy(frame, start, sizeof(start));
	inet_pton(AF_INET, "10.9.0.2", ip + 12);
	inet_pton(AF_INET, dst, ip + 16);
	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	ip[10] = (uint8_t)(~sum >> 8);
	ip[11] = (uint8_t)~sum;
	ip[20] = (uint8_t)(sport >> 8);
	ip[21] = (uint8_t)sport;
	ip[23] = FEEDER_PORT;
	ip[25] = FRAME_LEN - 34;
}

static void send_flows(const char *dst)
{
	uint8_t frame[FRAME_LEN];

	for (int i = 0; i < FLOWS; i++) {
		frame_make(frame, dst, (uint16_t)(20000 + i));
		assert_int_equal(send(lab.wire, frame, sizeof(frame), 0), sizeof(frame));
		if (i % 32 == 31)
			usleep(1000);
	}
}

/* Frames to the backends that came back out of eth1 within `ms`, by backend. */
static unsigned int receive_forwarded(unsigned int *to_backend, unsigned int wanted, int ms)
{
	unsigned int got = 0;
	uint8_t frame[2048];

	for (int i = 0; i < ms && got < wanted; i++) {
		while (recv(lab.wire, frame, sizeof(frame), MSG_DONTWAIT) > 0)
			if (memcmp(frame, (uint8_t[]){2, 0, 0, 0, 1}, 5) == 0 && frame[5] < 4) {
				to_backend[frame[5]]++;
				got++;
			}
		usleep(1000);
	}
	return got;
}

static void open_wire(void)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	const int bytes = 4 << 20;

	lab.wire = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	assert_true(lab.wire >= 0);
	setsockopt(lab.wire, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(lab.wire, SOL_PACKET, PACKET_IGNORE_OUTGOING, &(int){1}, sizeof(int));
	address.sll_ifindex = (int)if_nametoindex("p0");
	assert_int_equal(bind(lab.wire, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void lay_out(unsigned int queues)
{
	netns_try("ip link del eth1");
	netns_run("ip link add eth1 numrxqueues %u numtxqueues %u type veth peer name p0 numrxqueues %u numtxqueues %u",
		  queues, queues, queues, queues);
	netns_run("ip link set eth1 address 02:00:00:00:00:01 up && ip link set p0 up && "
		  "ip addr replace 10.9.0.1/24 dev eth1");
	open_wire();
}

static void feed_for(const char *device, unsigned int workers, enum sl_port_kind kind)
{
	struct feeder_conf conf = {.dir = lab.dir,
				   .vip = lab.vip.addr,
				   .proto = IPPROTO_UDP,
				   .backends = 4,
				   .boot = {.port_count = 1,
					    .worker_count = workers,
					    .manager_cpu = -1,
					    .worker_cpu = {0, 1},
					    .user = "nobody",
					    .port = {{.name = "up0", .kind = kind}}}};

	snprintf(conf.boot.port[0].device, sizeof(conf.boot.port[0].device), "%s", device);
	lab.feeder = feeder_create(&conf);
}

static void feed(unsigned int workers, enum sl_port_kind kind)
{
	feed_for("eth1", workers, kind);
}

static void steer(void)
{
	struct error_text error;
	struct steering_port port;
	bool private;

	assert_int_equal(steering_create("/sys/fs/bpf", "dptest", &lab.steering, &private, &error), 0);
	assert_int_equal(steering_attach(lab.steering, "eth1", 0, STEERING_NATIVE_ONLY, &port, &error), 0);
	assert_int_equal(steering_vips_add(lab.steering, &lab.vip, 1), 0);
}

static int setup(void **state)
{
	(void)state;
	strcpy(lab.runtime, "/dev/shm/sluice-xdp-XXXXXX");
	assert_non_null(mkdtemp(lab.runtime));
	chmod(lab.runtime, 0755);
	snprintf(lab.dir, sizeof(lab.dir), "%s/lab", lab.runtime);
	mkdir(lab.dir, 0750);
	lab.vip.addr = sl_addr_from_v4(inet_addr("10.9.9.9"));
	lab.wire = -1;
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	dp_process_end(&lab.dp, SIGKILL);
	if (lab.feeder)
		feeder_destroy(lab.feeder);
	if (lab.steering)
		steering_detach_all(lab.steering);
	steering_destroy(lab.steering);
	lab.steering = NULL;
	lab.feeder = NULL;
	close(lab.wire);
	netns_try("ip link del eth1");
	snprintf(command, sizeof(command), "rm -rf %s", lab.runtime);
	return system(command);
}

/* Libraries print to standard error too; nothing of it may get between our lines. */
static bool every_line_is_an_event(void)
{
	char line[1024];
	bool all = true;
	FILE *file = fopen(lab.dp.log, "r");

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (strlen(line) < 27 || line[10] != 'T' || line[23] != 'Z' || !strstr(line, " \"")) {
			printf("no event: %s", line);
			all = false;
		}
	fclose(file);
	return all;
}

static void two_workers_share_the_flows_of_a_two_queue_veth(void **state)
{
	unsigned int to_backend[4] = {0};

	(void)state;
	lay_out(2);
	feed(2, SL_PORT_AF_XDP);
	dp_process_start(&lab.dp, lab.runtime, "dp", NULL);
	assert_true(dp_process_says(&lab.dp, "waiting for sluiced: no steering program is attached yet\" interface=eth1", 3000));
	steer();
	assert_true(feeder_pump(lab.feeder, 1, 5000));
	assert_true(every_line_is_an_event());
	send_flows("10.9.9.9");
	assert_int_equal(receive_forwarded(to_backend, FLOWS, 2000), FLOWS);
	feeder_pump(lab.feeder, 0, 250);
	assert_int_equal(feeder_received(lab.feeder), FLOWS);
	assert_int_equal(feeder_verdict(lab.feeder, SL_VERDICT_FORWARD), FLOWS);
	assert_true(feeder_worker(lab.feeder, 0)->rx_packets > FLOWS / 4);
	assert_true(feeder_worker(lab.feeder, 1)->rx_packets > FLOWS / 4);
	for (unsigned int b = 0; b < 4; b++)
		assert_int_equal(feeder_backend(lab.feeder, b).packets, to_backend[b]);
	/* what is not for a VIP never reaches it */
	send_flows("10.9.0.1");
	feeder_pump(lab.feeder, 0, 250);
	assert_int_equal(feeder_received(lab.feeder), FLOWS);
	assert_int_equal(dp_process_end(&lab.dp, SIGTERM), 0);
}

static void killed_and_started_again_it_forwards_within_a_second_without_sluiced(void **state)
{
	unsigned int to_backend[4] = {0};
	struct timespec start, end;
	uint8_t frame[FRAME_LEN];
	long ms;

	(void)state;
	lay_out(2);
	feed(2, SL_PORT_AF_XDP);
	steer();
	dp_process_start(&lab.dp, lab.runtime, "first", NULL);
	assert_true(feeder_pump(lab.feeder, 1, 5000));
	send_flows("10.9.9.9");
	assert_int_equal(receive_forwarded(to_backend, FLOWS, 2000), FLOWS);
	assert_int_equal(dp_process_end(&lab.dp, SIGKILL), 128 + SIGKILL);
	/* nobody pumps from here on: the image is all there is */
	send_flows("10.9.9.9");
	assert_int_equal(receive_forwarded(to_backend, 1, 50), 0);
	clock_gettime(CLOCK_MONOTONIC, &start);
	dp_process_start(&lab.dp, lab.runtime, "second", NULL);
	frame_make(frame, "10.9.9.9", 1);
	do {
		send(lab.wire, frame, sizeof(frame), 0);
		clock_gettime(CLOCK_MONOTONIC, &end);
		ms = (end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000;
	} while (receive_forwarded(to_backend, 1, 1) == 0 && ms < 5000);
	printf("first packet forwarded %ld ms after the start\n", ms);
	assert_true(ms < 1000);
	receive_forwarded(to_backend, ~0u, 50);
	memset(to_backend, 0, sizeof(to_backend));
	send_flows("10.9.9.9");
	assert_int_equal(receive_forwarded(to_backend, FLOWS, 2000), FLOWS);
	assert_int_equal(dp_process_end(&lab.dp, SIGTERM), 0);
	/* and after a clean stop too; the steering program stayed */
	dp_process_start(&lab.dp, lab.runtime, "third", NULL);
	assert_true(dp_process_says(&lab.dp, "\"forwarding\" workers=", 5000));
	send_flows("10.9.9.9");
	assert_int_equal(receive_forwarded(to_backend, FLOWS, 2000), FLOWS);
}

static void while_it_waits_for_steering_a_restarted_sluiced_may_name_another_interface(void **state)
{
	(void)state;
	lay_out(2);
	feed_for("p0", 2, SL_PORT_AF_XDP);
	dp_process_start(&lab.dp, lab.runtime, "dp", NULL);
	assert_true(dp_process_says(&lab.dp, "no steering program is attached yet\" interface=p0", 3000));
	feeder_destroy(lab.feeder);
	feed(2, SL_PORT_AF_XDP);
	assert_true(dp_process_says(&lab.dp, "no steering program is attached yet\" interface=eth1", 3000));
	steer();
	assert_true(feeder_pump(lab.feeder, 1, 5000));
}

static void too_few_queues_and_too_long_frames_end_it_with_the_remedy(void **state)
{
	(void)state;
	lay_out(1);
	feed(2, SL_PORT_AF_XDP);
	dp_process_start(&lab.dp, lab.runtime, "dp", NULL);
	assert_int_equal(dp_process_wait(&lab.dp, 3000), 3);
	assert_true(dp_process_says(&lab.dp, "interface 'eth1' has 1 queues, 2 workers need one each: ethtool -L", 0));
	close(lab.wire);
	lay_out(2);
	netns_run("ip link set eth1 mtu 9000");
	dp_process_start(&lab.dp, lab.runtime, "dp", NULL);
	assert_int_equal(dp_process_wait(&lab.dp, 3000), 3);
	assert_true(dp_process_says(&lab.dp, "interface 'eth1' has an MTU of 9000, AF_XDP can carry", 0));
}

/* Frames leave with the new address, those that come back with it are a loop, another machine's stay away. */
static void a_changed_mac_address_is_followed(void **state)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 7};
	uint8_t frame[2048];
	uint64_t received;

	(void)state;
	lay_out(1);
	feed(1, SL_PORT_AF_XDP);
	steer();
	dp_process_start(&lab.dp, lab.runtime, "dp", NULL);
	assert_true(feeder_pump(lab.feeder, 1, 5000));
	netns_run("ip link set eth1 address 02:00:00:00:00:07");
	assert_int_equal(steering_attach(lab.steering, "eth1", 0, STEERING_NATIVE_ONLY, NULL, &(struct error_text){""}), 0);
	assert_true(dp_process_says(&lab.dp, "mac=02:00:00:00:00:07", 3000));
	usleep(20000); /* the workers' next look */
	frame_make(frame, "10.9.9.9", 20000);
	memcpy(frame, mac, 6);
	assert_int_equal(send(lab.wire, frame, FRAME_LEN, 0), FRAME_LEN);
	do {
		assert_true(recv(lab.wire, frame, sizeof(frame), 0) > 0);
	} while (memcmp(frame, (uint8_t[]){2, 0, 0, 0, 1}, 5) != 0);
	assert_memory_equal(frame + 6, mac, 6);
	frame_make(frame, "10.9.9.9", 20000);
	memcpy(frame, mac, 6);
	memcpy(frame + 6, mac, 6);
	assert_int_equal(send(lab.wire, frame, FRAME_LEN, 0), FRAME_LEN);
	for (int i = 0; i < 100 && feeder_verdict(lab.feeder, SL_VERDICT_DROP_LOOP) == 0; i++)
		feeder_pump(lab.feeder, 0, 20);
	assert_int_equal(feeder_verdict(lab.feeder, SL_VERDICT_DROP_LOOP), 1);
	received = feeder_received(lab.feeder);
	send_flows("10.9.9.9"); /* to 02:00:00:00:00:01, as a switch floods them */
	feeder_pump(lab.feeder, 0, 250);
	assert_int_equal(feeder_received(lab.feeder), received);
}

/* The driver takes VLAN tags off, the worker puts them back; the kernel has its own copy of what is not ours. */
static void on_af_packet_tags_survive_and_the_rest_is_the_kernels(void **state)
{
	unsigned int to_backend[4] = {0};
	uint8_t frame[FRAME_LEN + 4];

	(void)state;
	lay_out(2);
	feed(2, SL_PORT_AF_PACKET);
	dp_process_start(&lab.dp, lab.runtime, "dp", NULL);
	assert_true(feeder_pump(lab.feeder, 1, 5000));
	send_flows("10.9.9.9");
	assert_int_equal(receive_forwarded(to_backend, FLOWS, 2000), FLOWS);
	send_flows("10.9.0.1");
	frame_make(frame, "10.9.9.9", 20000);
	memmove(frame + 16, frame + 12, FRAME_LEN - 12);
	memcpy(frame + 12, (uint8_t[]){0x81, 0, 0, 7}, 4);
	assert_int_equal(send(lab.wire, frame, sizeof(frame), 0), sizeof(frame));
	for (int i = 0; i < 100 && feeder_verdict(lab.feeder, SL_VERDICT_FORWARD) <= FLOWS; i++)
		feeder_pump(lab.feeder, 0, 20);
	assert_int_equal(feeder_verdict(lab.feeder, SL_VERDICT_FORWARD), FLOWS + 1);
	assert_true(feeder_verdict(lab.feeder, SL_VERDICT_TO_KERNEL) >= FLOWS);
	feeder_pump(lab.feeder, 0, 250);
	assert_int_equal(feeder_received(lab.feeder), feeder_verdict_sum(lab.feeder));
	/* one tag more than the datagrams without one, in the bytes sent */
	assert_int_equal(feeder_worker(lab.feeder, 0)->tx_bytes + feeder_worker(lab.feeder, 1)->tx_bytes,
			 (FLOWS + 1) * FRAME_LEN + 4);
}

static void a_missing_capability_is_named(void **state)
{
	char command[400];

	(void)state;
	lay_out(2);
	feed(2, SL_PORT_AF_XDP);
	snprintf(command, sizeof(command),
		 "setpriv --bounding-set=-net_raw %s --no-huge --runtime-dir %s --instance lab 2>%s/cap.log; test $? = 3",
		 getenv("SLUICE_DP"), lab.runtime, lab.runtime);
	assert_int_equal(system(command), 0);
	snprintf(lab.dp.log, sizeof(lab.dp.log), "%s/cap.log", lab.runtime);
	assert_true(dp_process_says(&lab.dp, "cap_net_raw is missing", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(two_workers_share_the_flows_of_a_two_queue_veth, setup, teardown),
		cmocka_unit_test_setup_teardown(killed_and_started_again_it_forwards_within_a_second_without_sluiced, setup,
						teardown),
		cmocka_unit_test_setup_teardown(while_it_waits_for_steering_a_restarted_sluiced_may_name_another_interface,
						setup, teardown),
		cmocka_unit_test_setup_teardown(too_few_queues_and_too_long_frames_end_it_with_the_remedy, setup, teardown),
		cmocka_unit_test_setup_teardown(a_changed_mac_address_is_followed, setup, teardown),
		cmocka_unit_test_setup_teardown(on_af_packet_tags_survive_and_the_rest_is_the_kernels, setup, teardown),
		cmocka_unit_test_setup_teardown(a_missing_capability_is_named, setup, teardown),
	};

	netns_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
