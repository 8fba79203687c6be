/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flows.shm as sluiced makes it.
 */
#include "worker_flows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controlplane/flow_file.h"
#include "dataplane/log.h"
#include "sluice/host/boot_id.h"

static struct {
	struct flow_keeper *keeper;
	char dir[64];
	int dir_fd;
	bool began; /* once */
} f;

static int make_file(const struct sl_settings *settings, uint64_t flows, uint64_t now_s)
{
	static const struct sl_boot boot;
	struct flow_file_want want = {.flows = flows, .flow_key = settings->flow_key, .numbering = WORKER_FLOWS_NUMBERING,
				      .now_s = now_s, .wall_ns = 1, .life_s = sl_flow_life_s(SL_IDLE_MAX_S), .boot = &boot,
				      .heir = true};
	struct flow_file_report report;
	struct flow_file *file;
	char reterr[400];
	int err;

	sl_boot_id(want.boot_id);
	err = flow_file_open(f.dir, &want, &file, &report, reterr, sizeof(reterr));
	if (err < 0)
		fprintf(stderr, "%s\n", reterr);
	else
		flow_file_close(file);
	return err;
}

int worker_flows_begin(const struct sl_settings *settings, uint64_t flows, uint64_t now_s, struct flow_keeper **ret_keeper)
{
	struct flow_keeper_config config = {&dp_allocator_malloc, f.dir, -1, (uid_t)-1, 1};
	int err;

	if (!f.began)
		atexit(worker_flows_end);
	f.began = true;
	worker_flows_end();
	log_setup(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	snprintf(f.dir, sizeof(f.dir), "/tmp/sluice-equal-flows.XXXXXX");
	if (mkdtemp(f.dir) == NULL)
		return -errno;
	f.dir_fd = open(f.dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	config.dir_fd = f.dir_fd;
	err = make_file(settings, flows, now_s);
	if (err == 0)
		err = flow_keeper_create(&config, now_s, &f.keeper);
	*ret_keeper = f.keeper;
	return err;
}

void worker_flows_end(void)
{
	if (f.dir[0] == '\0')
		return;
	flow_keeper_destroy(f.keeper);
	f.keeper = NULL;
	unlinkat(f.dir_fd, SL_FLOWS_FILE, 0);
	close(f.dir_fd);
	rmdir(f.dir);
	f.dir[0] = '\0';
}
