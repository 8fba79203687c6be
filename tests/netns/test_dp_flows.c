/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Remembered connections and sluice-dp as a process: killed a moment after they were confirmed, started with another
 * number of workers, with a file that cannot be trusted, with none, and with one that is cut while it runs. Frames
 * come from files; sluiced is played by tests/support/feeder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/flow_file.h"
#include "dp_process.h"
#include "feeder.h"
#include "sluice/host/boot_id.h"

enum { FLOWS = 300, FRAME_LEN = 60, BACKENDS = 4, NUMBERING = 7 };

static struct {
	char runtime[64], dir[80], in[96], empty[96], out[2][96];
	struct dp_process dp;
	struct feeder *feeder;
	unsigned int workers;
} lab;

/* ---- frames ------------------------------------------------------------------------------------------- */

static void write_pcap(const char *path, unsigned int flows)
{
	static const uint8_t file_header[24] = {0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, [16] = 0xff, 0xff, 0, 0, 1};
	static const uint8_t start[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, FRAME_LEN - 14,
					0, 0, 0, 0, 64, IPPROTO_UDP, 0, 0, 10, 9, 0, 2, 10, 9, 9, 9};
	const uint32_t record[4] = {1, 0, FRAME_LEN, FRAME_LEN};
	FILE *file = fopen(path, "w");
	uint32_t sum = 0;

	assert_non_null(file);
	fwrite(file_header, sizeof(file_header), 1, file);
	for (int i = 14; i < 34; i += 2)
		sum += (uint32_t)(start[i] << 8 | start[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	for (unsigned int flow = 0; flow < flows; flow++) {
		uint8_t frame[FRAME_LEN] = {0};

		memcpy(frame, start, sizeof(start));
		frame[24] = (uint8_t)(~sum >> 8);
		frame[25] = (uint8_t)~sum;
		frame[34] = (uint8_t)((20000 + flow) >> 8);
		frame[35] = (uint8_t)(20000 + flow);
		frame[37] = FEEDER_PORT;
		frame[39] = FRAME_LEN - 34;
		fwrite(record, sizeof(record), 1, file);
		fwrite(frame, sizeof(frame), 1, file);
	}
	fclose(file);
}

/* Which backend each flow went to, as the file of sent frames says; returns the number of frames. */
static unsigned int read_out(const char *path, uint8_t *ret_backend)
{
	uint32_t record[4];
	uint8_t header[24], frame[FRAME_LEN];
	unsigned int count = 0;
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	assert_int_equal(fread(header, sizeof(header), 1, file), 1);
	while (fread(record, sizeof(record), 1, file) == 1) {
		assert_int_equal(fread(frame, sizeof(frame), 1, file), 1);
		ret_backend[(frame[34] << 8 | frame[35]) - 20000] = frame[5];
		count++;
	}
	fclose(file);
	return count;
}

/* ---- the lab ------------------------------------------------------------------------------------------ */

static struct feeder_conf conf_of(unsigned int workers)
{
	struct feeder_conf conf = {.dir = lab.dir,
				   .vip = sl_addr_from_v4(inet_addr("10.9.9.9")),
				   .proto = IPPROTO_UDP,
				   .backends = BACKENDS,
				   .numbering = NUMBERING,
				   .tracking = SL_TRACKING_ALWAYS,
				   .boot = {.port_count = 1, .worker_count = workers, .manager_cpu = -1, .config_root_owned = 1,
					    .worker_cpu = {0, 1}, .user = "nobody"}};
	int len;

	strcpy(conf.boot.port[0].name, "up0");
	conf.boot.port[0].kind = SL_PORT_VDEV;
	/* queue 0 has nothing to read where there are two: every flow is on another worker than before */
	len = workers == 1 ? snprintf(conf.boot.port[0].device, SL_DEVICE_MAX, "net_pcap0,rx_pcap=%s,tx_pcap=%s", lab.in,
				      lab.out[0])
			   : snprintf(conf.boot.port[0].device, SL_DEVICE_MAX,
				      "net_pcap0,rx_pcap=%s,rx_pcap=%s,tx_pcap=%s,tx_pcap=%s", lab.empty, lab.in, lab.out[0],
				      lab.out[1]);
	assert_true(len < SL_DEVICE_MAX);
	return conf;
}

static void feed(const struct feeder_conf *conf)
{
	if (lab.feeder)
		feeder_destroy(lab.feeder);
	lab.feeder = feeder_create(conf);
}

static void make_flow_file(uint64_t flows, uint64_t numbering)
{
	struct timespec now;
	struct sl_boot boot;
	struct flow_file_report report;
	struct flow_file *file;
	char reterr[300] = "";
	struct flow_file_want want = {.flows = flows, .flow_key = {3, 4}, .numbering = numbering, .life_s = 77, .boot = &boot,
				      .heir = true};

	memset(&boot, 0, sizeof(boot));
	strcpy(boot.user, "nobody");
	clock_gettime(CLOCK_BOOTTIME, &now);
	want.now_s = (uint64_t)now.tv_sec;
	sl_boot_id(want.boot_id);
	if (flow_file_open(lab.dir, &want, &file, &report, reterr, sizeof(reterr)) < 0)
		fail_msg("%s", reterr);
	flow_file_close(file);
}

static struct sl_flows_live flow_file_state(void)
{
	struct sl_flows_live live = {0};
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", lab.dir, SL_FLOWS_FILE);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &live, sizeof(live), SL_SHM_PAGE), sizeof(live));
	close(fd);
	return live;
}

static int setup(void **state)
{
	(void)state;
	strcpy(lab.runtime, "/dev/shm/f-XXXXXX");
	assert_non_null(mkdtemp(lab.runtime));
	chmod(lab.runtime, 0777); /* the account writes its frames there */
	snprintf(lab.dir, sizeof(lab.dir), "%s/lab", lab.runtime);
	snprintf(lab.in, sizeof(lab.in), "%s/i", lab.runtime);
	snprintf(lab.empty, sizeof(lab.empty), "%s/e", lab.runtime);
	snprintf(lab.out[0], sizeof(lab.out[0]), "%s/o", lab.runtime);
	snprintf(lab.out[1], sizeof(lab.out[1]), "%s/p", lab.runtime);
	mkdir(lab.dir, 0750);
	write_pcap(lab.empty, 0);
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

/* sluiced states a table of `backends` backends to a sluice-dp that is killed then: the next has it in its image. */
static void state_table(unsigned int workers, unsigned int backends)
{
	const struct feeder_conf conf = conf_of(workers);

	lab.workers = workers;
	write_pcap(lab.in, 0);
	feed(&conf);
	feeder_use(lab.feeder, backends);
	dp_process_start(&lab.dp, lab.runtime, "state", NULL);
	assert_true(feeder_pump(lab.feeder, feeder_generation(lab.feeder), 5000));
	assert_int_equal(dp_process_end(&lab.dp, SIGKILL), 128 + SIGKILL);
}

/* One packet of each flow. Counters go on over files and processes. */
static void traffic(const char *name)
{
	const uint64_t wanted = feeder_received(lab.feeder) + FLOWS;

	write_pcap(lab.in, FLOWS);
	dp_process_start(&lab.dp, lab.runtime, name, NULL);
	for (int i = 0; i < 500 && feeder_received(lab.feeder) < wanted; i++)
		usleep(10000);
	assert_int_equal(feeder_received(lab.feeder), wanted);
}

/* The manager has written down what the worker told: all flows are in the file. */
static void wait_until_remembered(void)
{
	for (int i = 0; i < 500 && flow_file_state().used < FLOWS; i++)
		usleep(10000);
	assert_int_equal(flow_file_state().used, FLOWS);
}

static uint64_t flow_count(enum sl_flow_counter counter)
{
	uint64_t sum = 0;

	for (unsigned int w = 0; w < lab.workers; w++)
		sum += feeder_worker(lab.feeder, w)->flow[counter];
	return sum;
}

/* Where the flows go, to compare with. */
static void where_they_go(unsigned int backends, uint8_t ret_backend[static FLOWS])
{
	state_table(1, backends);
	traffic("compare");
	assert_int_equal(dp_process_end(&lab.dp, SIGTERM), 0);
	assert_int_equal(read_out(lab.out[0], ret_backend), FLOWS);
}

static void poke(off_t at, const void *bytes, size_t len)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", lab.dir, SL_FLOWS_FILE);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	if (bytes != NULL)
		assert_int_equal(pwrite(fd, bytes, len, at), len);
	else
		assert_int_equal(ftruncate(fd, at), 0);
	close(fd);
}

static void remove_flow_file(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", lab.dir, SL_FLOWS_FILE);
	unlink(path);
}

/* ---- tests -------------------------------------------------------------------------------------------- */

static void connections_outlive_a_kill_100_ms_later_and_find_their_backends_on_other_workers(void **state)
{
	uint8_t four[FLOWS] = {0}, one[FLOWS] = {0}, after[FLOWS] = {0};

	(void)state;
	where_they_go(4, four);
	where_they_go(1, one);
	assert_memory_not_equal(four, one, FLOWS);
	make_flow_file(10000, NUMBERING);
	state_table(1, 4);
	traffic("first");
	wait_until_remembered();
	assert_int_equal(dp_process_end(&lab.dp, SIGKILL), 128 + SIGKILL);
	assert_int_equal(flow_file_state().used, FLOWS);
	/* now all rows are one backend's; what is remembered stays where it was */
	state_table(1, 1);
	traffic("second");
	assert_true(dp_process_says(&lab.dp, "remembering connections in the shared table", 0));
	assert_int_equal(dp_process_end(&lab.dp, SIGTERM), 0);
	assert_int_equal(read_out(lab.out[0], after), FLOWS);
	assert_memory_equal(after, four, FLOWS);
	assert_int_equal(flow_count(SL_FLOW_COUNT_FOUND), FLOWS);
	assert_int_equal(flow_count(SL_FLOW_COUNT_FOUND_SHARED), FLOWS);
	/* two workers, and all of it comes in on the new one */
	state_table(2, 1);
	memset(after, 0, sizeof(after));
	traffic("third");
	assert_int_equal(dp_process_end(&lab.dp, SIGTERM), 0);
	assert_int_equal(read_out(lab.out[1], after), FLOWS);
	assert_memory_equal(after, four, FLOWS);
	assert_int_equal(flow_count(SL_FLOW_COUNT_FOUND), 2 * FLOWS); /* counted on over the restart */
	assert_int_equal(flow_count(SL_FLOW_COUNT_FOUND_SHARED), 2 * FLOWS);
}

static void a_file_that_cannot_be_trusted_is_not_used_and_the_log_says_why(void **state)
{
	static const char *const why[] = {"wrong checksum", "another layout", "cut or grown", "no header", "another numbering",
					  "too long to know how old they are", "not a regular file"};
	uint8_t one[FLOWS] = {0}, after[FLOWS] = {0};

	(void)state;
	where_they_go(1, one);
	for (unsigned int i = 0; i < sizeof(why) / sizeof(why[0]); i++) {
		const uint64_t long_ago = 1;
		char path[128];

		remove_flow_file();
		make_flow_file(10000, i == 4 ? NUMBERING + 1 : NUMBERING);
		if (i < 4) {
			state_table(1, 4);
			traffic("fill");
			wait_until_remembered();
			assert_int_equal(dp_process_end(&lab.dp, SIGKILL), 128 + SIGKILL);
			assert_int_equal(flow_file_state().used, FLOWS);
		}
		state_table(1, 1);
		if (i == 0)
			poke(offsetof(struct sl_flows_header, created_ns), "?", 1);
		if (i == 1)
			poke(offsetof(struct sl_flows_header, major), "?", 1);
		if (i == 2)
			poke(100000, NULL, 0);
		if (i == 3)
			poke(7, NULL, 0);
		if (i == 5)
			poke(SL_SHM_PAGE, &long_ago, sizeof(long_ago));
		if (i == 6) {
			remove_flow_file();
			snprintf(path, sizeof(path), "%s/%s", lab.dir, SL_FLOWS_FILE);
			assert_int_equal(mkfifo(path, 0600), 0);
			assert_int_equal(chown(path, 65534, 65534), 0); /* nobody's: it must be its kind that is refused */
		}
		traffic("distrust");
		if (!dp_process_says(&lab.dp, why[i], 1000))
			fail_msg("the log does not say \"%s\"", why[i]);
		assert_int_equal(dp_process_end(&lab.dp, SIGTERM), 0);
		assert_int_equal(read_out(lab.out[0], after), FLOWS);
		assert_memory_equal(after, one, FLOWS);
	}
}

static void files_come_grow_are_cut_and_vanish_while_it_runs(void **state)
{
	(void)state;
	state_table(1, 4);
	traffic("run");
	assert_true(dp_process_says(&lab.dp, "no file of connections that can be used", 0));
	make_flow_file(10000, NUMBERING);
	assert_true(dp_process_says(&lab.dp, "remembering connections in the shared table", 3000));
	make_flow_file(100000, NUMBERING);
	assert_true(dp_process_says(&lab.dp, "carried over to a new file", 3000));
	poke(4096, NULL, 0);
	assert_true(dp_process_says(&lab.dp, "the file of connections was cut", 3000));
	remove_flow_file();
	make_flow_file(100000, NUMBERING);
	for (int i = 0; i < 300 && flow_file_state().writer_pid != (uint64_t)lab.dp.pid; i++)
		usleep(10000);
	assert_int_equal(flow_file_state().writer_pid, lab.dp.pid);
	remove_flow_file();
	usleep(100000);
	assert_int_equal(dp_process_end(&lab.dp, SIGTERM), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(connections_outlive_a_kill_100_ms_later_and_find_their_backends_on_other_workers,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_that_cannot_be_trusted_is_not_used_and_the_log_says_why, setup, teardown),
		cmocka_unit_test_setup_teardown(files_come_grow_are_cut_and_vanish_while_it_runs, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
