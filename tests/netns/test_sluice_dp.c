/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sluice-dp as a process, on ports that need no kernel interface: frames in a file in, frames in a file
 * out, counters in the shared memory. sluiced is played by tests/support/feeder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dp_process.h"
#include "feeder.h"
#include "sluice/core/checksum.h"

enum { PACKETS = 300, FRAME_LEN = 60 };

struct pcap_file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy, snap_len, link_type;
};

struct pcap_record_header {
	uint32_t seconds, microseconds, caught, len;
};

static struct {
	char runtime[64], dir[80], in[96], out[96];
	struct dp_process dp;
	struct feeder *feeder;
} lab;

/* ---- frames ------------------------------------------------------------------------------------------- */

static void frame_make(uint8_t *frame, const char *dst, uint8_t proto, uint16_t sport, uint16_t dport)
{
	static const uint8_t ethernet[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
	uint8_t *ip = frame + 14;
	uint32_t sum = 0;

	memset(frame, 0, FRAME_LEN);
	memcpy(frame, ethernet, sizeof(ethernet));
	ip[0] = 0x45;
	ip[3] = FRAME_LEN - 14;
	ip[8] = 64;
	ip[9] = proto;
	inet_pton(AF_INET, "10.9.0.2", ip + 12);
	inet_pton(AF_INET, dst, ip + 16);
	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip[10] = (uint8_t)(~sum >> 8);
	ip[11] = (uint8_t)~sum;
	ip[20] = (uint8_t)(sport >> 8);
	ip[21] = (uint8_t)sport;
	ip[22] = (uint8_t)(dport >> 8);
	ip[23] = (uint8_t)dport;
	ip[25] = FRAME_LEN - 34; /* UDP length */
}

static FILE *pcap_create(const char *path)
{
	static const struct pcap_file_header header = {0xa1b2c3d4, 2, 4, 0, 0, 65535, 1};
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fwrite(&header, sizeof(header), 1, file);
	return file;
}

static void pcap_add(FILE *file, const uint8_t *frame, uint32_t len)
{
	const struct pcap_record_header record = {1, 0, len, len};

	fwrite(&record, sizeof(record), 1, file);
	fwrite(frame, len, 1, file);
}

/* 300 datagrams of as many flows, and one frame each of what else may come. */
static void write_traffic(const char *path)
{
	uint8_t frame[FRAME_LEN];
	FILE *file = pcap_create(path);

	for (int i = 0; i < PACKETS; i++) {
		frame_make(frame, "10.9.9.9", IPPROTO_UDP, (uint16_t)(20000 + i), FEEDER_PORT);
		pcap_add(file, frame, FRAME_LEN);
	}
	frame_make(frame, "10.9.9.9", IPPROTO_UDP, 20000, 22);
	pcap_add(file, frame, FRAME_LEN);
	frame_make(frame, "10.9.0.1", IPPROTO_UDP, 20000, FEEDER_PORT);
	pcap_add(file, frame, FRAME_LEN);
	pcap_add(file, frame, 10);
	frame[14 + 8]--; /* TTL: the checksum does not hold any more */
	pcap_add(file, frame, FRAME_LEN);
	fclose(file);
}

static unsigned int count_out(unsigned int *to_backend, unsigned int backends)
{
	struct pcap_record_header record;
	struct pcap_file_header header;
	uint8_t frame[2048];
	unsigned int count = 0;
	FILE *file = fopen(lab.out, "r");

	assert_non_null(file);
	assert_int_equal(fread(&header, sizeof(header), 1, file), 1);
	while (fread(&record, sizeof(record), 1, file) == 1) {
		assert_true(record.caught <= sizeof(frame));
		assert_int_equal(fread(frame, record.caught, 1, file), 1);
		assert_memory_equal(frame, ((uint8_t[]){2, 0, 0, 0, 1}), 5);
		assert_true(frame[5] < backends);
		to_backend[frame[5]]++;
		count++;
	}
	fclose(file);
	return count;
}

/* ---- the lab ------------------------------------------------------------------------------------------ */

static struct feeder_conf conf_of(const char *device, unsigned int workers)
{
	struct feeder_conf conf = {.dir = lab.dir,
				   .vip = sl_addr_from_v4(inet_addr("10.9.9.9")),
				   .proto = IPPROTO_UDP,
				   .backends = 4,
				   .boot = {.port_count = 1,
					    .worker_count = workers,
					    .manager_cpu = -1,
					    .config_root_owned = 1,
					    .worker_cpu = {0, 1},
					    .user = "nobody"}};

	strcpy(conf.boot.port[0].name, "up0");
	assert_true(strlen(device) < sizeof(conf.boot.port[0].device));
	strcpy(conf.boot.port[0].device, device);
	conf.boot.port[0].kind = SL_PORT_VDEV;
	return conf;
}

static int setup(void **state)
{
	(void)state;
	strcpy(lab.runtime, "/dev/shm/sluice-dp-XXXXXX");
	assert_non_null(mkdtemp(lab.runtime));
	chmod(lab.runtime, 0755);
	snprintf(lab.dir, sizeof(lab.dir), "%s/lab", lab.runtime);
	snprintf(lab.in, sizeof(lab.in), "%s/in.pcap", lab.runtime);
	snprintf(lab.out, sizeof(lab.out), "%s/out.pcap", lab.runtime);
	mkdir(lab.dir, 0750);
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	dp_process_end(&lab.dp, SIGKILL);
	if (lab.feeder)
		feeder_destroy(lab.feeder);
	lab.feeder = NULL;
	snprintf(command, sizeof(command), "rm -rf %s", lab.runtime);
	return system(command);
}

static void feed(const struct feeder_conf *conf)
{
	if (lab.feeder)
		feeder_destroy(lab.feeder);
	lab.feeder = feeder_create(conf);
}

/* ---- tests -------------------------------------------------------------------------------------------- */

static void frames_leave_for_their_backends_and_every_one_is_counted_once(void **state)
{
	char device[256];
	unsigned int to_backend[4] = {0};
	struct feeder_conf conf;

	(void)state;
	snprintf(device, sizeof(device), "net_pcap0,rx_pcap=%s,tx_pcap=%s", lab.in, lab.out);
	conf = conf_of(device, 1);
	fclose(pcap_create(lab.in));
	feed(&conf);
	dp_process_start(&lab.dp, lab.runtime, "first", NULL);
	assert_true(feeder_pump(lab.feeder, 1, 5000));
	/* Killed and started again, it has the image before its first packet; nobody states anything now. */
	assert_int_equal(dp_process_end(&lab.dp, SIGKILL), 128 + SIGKILL);
	write_traffic(lab.in);
	dp_process_start(&lab.dp, lab.runtime, "second", NULL);
	assert_true(dp_process_says(&lab.dp, "generation read back from the image\" generation=1 ", 5000));
	for (int i = 0; i < 500 && feeder_received(lab.feeder) < PACKETS + 4; i++)
		usleep(10000);
	assert_int_equal(dp_process_end(&lab.dp, SIGTERM), 0);
	assert_int_equal(feeder_received(lab.feeder), PACKETS + 4);
	assert_int_equal(feeder_verdict_sum(lab.feeder), PACKETS + 4);
	assert_int_equal(feeder_verdict(lab.feeder, SL_VERDICT_FORWARD), PACKETS);
	assert_int_equal(feeder_verdict(lab.feeder, SL_VERDICT_DROP_NO_SERVICE), 1);
	assert_int_equal(feeder_verdict(lab.feeder, SL_VERDICT_DROP_NO_KERNEL_PATH), 1);
	assert_int_equal(feeder_verdict(lab.feeder, SL_VERDICT_DROP_ETH_TRUNCATED), 1);
	assert_int_equal(feeder_verdict(lab.feeder, SL_VERDICT_DROP_IP_CHECKSUM), 1);
	assert_int_equal(feeder_worker(lab.feeder, 0)->tx_packets, PACKETS);
	assert_int_equal(count_out(to_backend, 4), PACKETS);
	for (unsigned int b = 0; b < 4; b++) {
		assert_true(to_backend[b] > PACKETS / 8);
		assert_int_equal(feeder_backend(lab.feeder, b).packets, to_backend[b]);
		assert_int_equal(feeder_backend(lab.feeder, b).bytes, to_backend[b] * FRAME_LEN);
	}
	assert_int_equal(feeder_service(lab.feeder, 0).packets, PACKETS);
}

static void counters_go_on_over_restarts_of_either_side(void **state)
{
	struct feeder_conf conf = conf_of("net_null0,size=64", 2);
	uint64_t before, after;

	(void)state;
	strcpy(conf.boot.port[0].device, "net_null0");
	feed(&conf);
	dp_process_start(&lab.dp, lab.runtime, "first", NULL);
	assert_true(feeder_pump(lab.feeder, 1, 5000));
	for (int i = 0; i < 250 && feeder_received(lab.feeder) == 0; i++)
		feeder_pump(lab.feeder, 0, 20);
	assert_int_equal(dp_process_end(&lab.dp, SIGKILL), 128 + SIGKILL);
	before = feeder_received(lab.feeder);
	assert_true(before > 0);
	/* killed while it counted: what was written down is of one moment */
	for (int i = 0; i < 4; i++) {
		dp_process_start(&lab.dp, lab.runtime, "again", NULL);
		for (int k = 0; k < 100 && feeder_received(lab.feeder) <= before; k++)
			feeder_pump(lab.feeder, 0, 20);
		assert_int_equal(dp_process_end(&lab.dp, SIGKILL), 128 + SIGKILL);
		assert_true(feeder_received(lab.feeder) > before);
		before = feeder_received(lab.feeder);
	}
	dp_process_start(&lab.dp, lab.runtime, "second", NULL);
	assert_true(feeder_pump(lab.feeder, 0, 100) || feeder_hellos(lab.feeder) >= 1);
	for (int i = 0; i < 100 && feeder_received(lab.feeder) <= before; i++)
		feeder_pump(lab.feeder, 0, 20);
	after = feeder_received(lab.feeder);
	assert_true(after > before);
	/* a restarted sluiced: a new file, with room for more services */
	conf.services_max = 1000;
	feed(&conf);
	assert_true(feeder_pump(lab.feeder, 1, 3000));
	feeder_pump(lab.feeder, 0, 300);
	assert_true(feeder_received(lab.feeder) >= after);
	assert_int_equal(feeder_live(lab.feeder)->data_pid, lab.dp.pid);
	assert_int_equal(feeder_live(lab.feeder)->data_workers_alive, 2);
	assert_int_equal(dp_process_end(&lab.dp, SIGTERM), 0);
	assert_int_equal(feeder_received(lab.feeder), feeder_verdict_sum(lab.feeder));
}

static void generations_are_applied_within_ten_milliseconds(void **state)
{
	struct feeder_conf conf = conf_of("net_ring0", 2);
	struct timespec start, end;
	long us_sum = 0;

	(void)state;
	feed(&conf);
	dp_process_start(&lab.dp, lab.runtime, "dp", NULL);
	assert_true(feeder_pump(lab.feeder, 1, 5000));
	for (int i = 0; i < 50; i++) {
		usleep(20000); /* workers asleep, manager idle */
		feeder_use(lab.feeder, 1 + (unsigned int)i % 4);
		clock_gettime(CLOCK_MONOTONIC, &start);
		assert_true(feeder_pump(lab.feeder, feeder_generation(lab.feeder), 2000));
		clock_gettime(CLOCK_MONOTONIC, &end);
		us_sum += (end.tv_sec - start.tv_sec) * 1000000 + (end.tv_nsec - start.tv_nsec) / 1000;
	}
	printf("mean time from commit to applied: %ld us\n", us_sum / 50);
	assert_true(us_sum / 50 < 10000);
	assert_int_equal(feeder_live(lab.feeder)->data_generation, feeder_generation(lab.feeder));
}

static void a_second_one_is_refused_and_names_the_first(void **state)
{
	struct feeder_conf conf = conf_of("net_null0", 1);
	struct dp_process second;
	char text[64];

	(void)state;
	feed(&conf);
	dp_process_start(&lab.dp, lab.runtime, "dp", NULL);
	assert_true(feeder_pump(lab.feeder, 1, 5000));
	dp_process_start(&second, lab.runtime, "second", NULL);
	assert_int_equal(dp_process_wait(&second, 3000), 2);
	snprintf(text, sizeof(text), "sluice-dp runs already: pid %d; stop it", (int)lab.dp.pid);
	assert_true(dp_process_says(&second, text, 0));
}

static void it_runs_as_the_account_without_capabilities(void **state)
{
	struct feeder_conf conf = conf_of("net_null0", 2);
	char command[200];

	(void)state;
	feed(&conf);
	dp_process_start(&lab.dp, lab.runtime, "dp", NULL);
	assert_true(feeder_pump(lab.feeder, 1, 5000));
	snprintf(command, sizeof(command),
		 "for s in /proc/%d/task/*/status; do grep -q '^Uid:.65534.65534.65534.65534$' $s || exit 1; "
		 "grep -q '^CapPrm:.0000000000000000$' $s || exit 2; grep -q '^NoNewPrivs:.1$' $s || exit 3; done",
		 (int)lab.dp.pid);
	assert_int_equal(WEXITSTATUS(system(command)), 0);
	/* without such an account the user stays, the capabilities go all the same */
	assert_int_equal(dp_process_end(&lab.dp, SIGTERM), 0);
	strcpy(conf.boot.user, "no-such-account");
	feed(&conf);
	dp_process_start(&lab.dp, lab.runtime, "dp", NULL);
	assert_true(feeder_pump(lab.feeder, 1, 5000));
	assert_true(dp_process_says(&lab.dp, "makes one\" account=no-such-account", 0));
	snprintf(command, sizeof(command),
		 "for s in /proc/%d/task/*/status; do grep -q '^CapPrm:.0000000000000000$' $s || exit 2; done",
		 (int)lab.dp.pid);
	assert_int_equal(WEXITSTATUS(system(command)), 0);
}

static void a_worker_that_hangs_is_seen(void **state)
{
	struct feeder_conf conf = conf_of("net_null0", 2);
	pid_t thread;

	(void)state;
	feed(&conf);
	dp_process_start(&lab.dp, lab.runtime, "dp", NULL);
	assert_true(feeder_pump(lab.feeder, 1, 5000));
	thread = dp_process_worker_thread(&lab.dp, 1);
	assert_true(thread > 0);
	assert_int_equal(ptrace(PTRACE_SEIZE, thread, NULL, NULL), 0);
	assert_int_equal(ptrace(PTRACE_INTERRUPT, thread, NULL, NULL), 0);
	assert_true(dp_process_says(&lab.dp, "worker made no progress for a second\" worker=1", 3000));
	feeder_pump(lab.feeder, 0, 200);
	assert_int_equal(feeder_live(lab.feeder)->data_workers_alive, 1);
	assert_int_equal(feeder_worker(lab.feeder, 1)->state, 3);
	assert_int_equal(waitpid(thread, NULL, __WALL), thread);
	assert_int_equal(ptrace(PTRACE_DETACH, thread, NULL, NULL), 0);
	assert_true(dp_process_says(&lab.dp, "worker makes progress again\" worker=1", 3000));
	assert_int_equal(dp_process_end(&lab.dp, SIGTERM), 0);
}

static void what_is_missing_ends_it_with_one_line_and_its_code(void **state)
{
	static const struct {
		enum sl_port_kind kind;
		const char *device;
		unsigned int cpu, root_owned;
		const char *option, *text;
		int code;
	} cases[] = {
		{SL_PORT_AF_PACKET, "no-such-if", 0, 1, NULL, "there is no interface 'no-such-if' here", 3},
		{SL_PORT_VDEV, "net_null0", 0, 0, NULL, "only a configuration that root owns", 1},
		{SL_PORT_VDEV, "net_null0", 900, 1, NULL, "worker 0 is set to CPU 900", 1},
		{SL_PORT_VDEV, "net_nothing0", 0, 1, NULL, "DPDK cannot create 'net_nothing0,'", 3},
		{SL_PORT_VDEV, "net_null0", 0, 1, "--wait=x", "whole seconds from 0 to 86400 are allowed", 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct feeder_conf conf = conf_of(cases[i].device, 1);

		conf.boot.port[0].kind = cases[i].kind;
		conf.boot.worker_cpu[0] = cases[i].cpu;
		conf.boot.config_root_owned = (__u8)cases[i].root_owned;
		feed(&conf);
		dp_process_start(&lab.dp, lab.runtime, "dp", cases[i].option);
		assert_int_equal(dp_process_wait(&lab.dp, 5000), cases[i].code);
		assert_true(dp_process_says(&lab.dp, cases[i].text, 0));
	}
}

static void it_waits_for_sluiced_as_long_as_it_is_told(void **state)
{
	struct feeder_conf conf = conf_of("net_null0", 1);

	(void)state;
	dp_process_start(&lab.dp, lab.runtime, "dp", "--wait=0");
	assert_int_equal(dp_process_wait(&lab.dp, 3000), 3);
	assert_true(dp_process_says(&lab.dp, "is sluiced running for this instance?\" instance=lab", 0));
	dp_process_start(&lab.dp, lab.runtime, "dp", NULL);
	assert_true(dp_process_says(&lab.dp, "waiting for sluiced: its", 2000));
	feed(&conf);
	assert_true(feeder_pump(lab.feeder, 1, 5000));
	assert_int_equal(dp_process_end(&lab.dp, SIGINT), 0);
}

/* Hugepages are the machine's, so this test takes what it finds: none, or some. */
static void hugepages_are_used_or_their_lack_is_named(void **state)
{
	struct feeder_conf conf = conf_of("net_null0", 1);
	int code;

	(void)state;
	conf.boot.hugepages = 1;
	feed(&conf);
	dp_process_start(&lab.dp, lab.runtime, "dp", "--no-huge");
	assert_true(feeder_pump(lab.feeder, 1, 5000));
	assert_int_equal(dp_process_end(&lab.dp, SIGTERM), 0);
	dp_process_start(&lab.dp, lab.runtime, "dp", NULL);
	code = dp_process_wait(&lab.dp, 300);
	if (code == 3) {
		assert_true(dp_process_says(&lab.dp, "no free hugepages: echo 512 > /sys/kernel/mm/hugepages/", 0));
		return;
	}
	assert_int_equal(code, -1);
	assert_true(feeder_pump(lab.feeder, 1, 5000));
	assert_int_equal(dp_process_end(&lab.dp, SIGTERM), 0);
}

static void a_truncated_file_stops_nothing_and_the_next_one_is_taken(void **state)
{
	struct feeder_conf conf = conf_of("net_null0", 2);
	char path[128];
	uint64_t before;

	(void)state;
	feed(&conf);
	dp_process_start(&lab.dp, lab.runtime, "dp", NULL);
	assert_true(feeder_pump(lab.feeder, 1, 5000));
	feeder_pump(lab.feeder, 0, 250);
	before = feeder_received(lab.feeder);
	snprintf(path, sizeof(path), "%s/" SL_SHM_FILE, lab.dir);
	feeder_destroy(lab.feeder);
	lab.feeder = NULL;
	assert_int_equal(truncate(path, 4096), 0);
	assert_true(dp_process_says(&lab.dp, "going on with the state of before", 3000));
	assert_int_equal(dp_process_wait(&lab.dp, 200), -1);
	/* a second sluice-dp of another instance would refuse the same file */
	feed(&conf);
	assert_true(feeder_pump(lab.feeder, 1, 5000));
	feeder_pump(lab.feeder, 0, 250);
	assert_true(feeder_received(lab.feeder) > before);
	assert_int_equal(dp_process_end(&lab.dp, SIGTERM), 0);
}

static void a_file_that_cannot_be_trusted_is_refused_with_the_reason(void **state)
{
	static const struct {
		const char *command, *text;
	} cases[] = {
		{"truncate -s 20000 %s/dataplane.shm", "dataplane.shm"},
		{"printf X | dd of=%s/dataplane.shm bs=1 seek=100 conv=notrunc status=none", "checksum"},
		{"chown 12345 %s/dataplane.shm", "12345"},
	};
	struct feeder_conf conf = conf_of("net_null0", 1);
	char command[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		feed(&conf);
		snprintf(command, sizeof(command), cases[i].command, lab.dir);
		assert_int_equal(system(command), 0);
		dp_process_start(&lab.dp, lab.runtime, "dp", NULL);
		assert_int_equal(dp_process_wait(&lab.dp, 3000), 4);
		assert_true(dp_process_says(&lab.dp, cases[i].text, 0));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(frames_leave_for_their_backends_and_every_one_is_counted_once, setup, teardown),
		cmocka_unit_test_setup_teardown(counters_go_on_over_restarts_of_either_side, setup, teardown),
		cmocka_unit_test_setup_teardown(generations_are_applied_within_ten_milliseconds, setup, teardown),
		cmocka_unit_test_setup_teardown(a_second_one_is_refused_and_names_the_first, setup, teardown),
		cmocka_unit_test_setup_teardown(it_runs_as_the_account_without_capabilities, setup, teardown),
		cmocka_unit_test_setup_teardown(a_worker_that_hangs_is_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_missing_ends_it_with_one_line_and_its_code, setup, teardown),
		cmocka_unit_test_setup_teardown(it_waits_for_sluiced_as_long_as_it_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(hugepages_are_used_or_their_lack_is_named, setup, teardown),
		cmocka_unit_test_setup_teardown(a_truncated_file_stops_nothing_and_the_next_one_is_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_that_cannot_be_trusted_is_refused_with_the_reason, setup, teardown),
	};

	if (geteuid() != 0) {
		printf("skipped: needs root (vdev ports, accounts)\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
