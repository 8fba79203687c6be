/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rte_eal_init() and where DPDK and libxdp, which its AF_XDP driver uses, log to.
 */
#include "dataplane/eal.h"

#include <errno.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include "dataplane/log.h"

/* DPDK writes whole lines, sometimes several at once. */
static ssize_t eal_log_write(void *cookie, const char *bytes, size_t len)
{
	const int level = rte_log_cur_msg_loglevel();
	const enum log_level ours = level >= 0 && level <= (int)RTE_LOG_ERR ? LOG_LEVEL_ERROR
				    : level == (int)RTE_LOG_WARNING	    ? LOG_LEVEL_WARNING
									    : LOG_LEVEL_INFO;
	char line[512];
	size_t start = 0;

	(void)cookie;
	for (size_t i = 0; i <= len; i++) {
		if (i < len && bytes[i] != '\n')
			continue;
		if (i > start) {
			snprintf(line, sizeof(line), "%.*s", (int)(i - start), bytes + start);
			log_event(ours, "DPDK says", LOG_STR("text", line));
		}
		start = i + 1;
	}
	return (ssize_t)len;
}

/*
 * What libxdp says inside DPDK's driver: for debugging only. It warns at every start that the steering
 * program is not its own to remove, and a port that does not open has an error line of ours.
 */
__attribute__((format(printf, 2, 0))) static int eal_log_libxdp(enum libxdp_print_level level, const char *format,
								va_list args)
{
	char line[512];

	(void)level;
	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = 0;
	log_event(LOG_LEVEL_DEBUG, "libxdp says", LOG_STR("text", line));
	return 0;
}

int eal_start(const struct eal_args *args, struct eal_args_error *reterr_error)
{
	const cookie_io_functions_t functions = {.write = eal_log_write};
	char *argv[EAL_ARGS_MAX + 1];
	FILE *stream = fopencookie(NULL, "w", functions);
	int err;

	libxdp_set_print(eal_log_libxdp);
	if (stream) {
		setvbuf(stream, NULL, _IOLBF, 1024);
		rte_openlog_stream(stream);
	}
	memcpy(argv, args->argv, sizeof(argv)); /* the EAL sorts its arguments */
	if (rte_eal_init(args->argc, argv) >= 0) {
		(void)rmdir(rte_eal_get_runtime_dir()); /* made for files that we do not have; stays if it holds any */
		return 0;
	}
	err = rte_errno > 0 ? -rte_errno : -EIO;
	snprintf(reterr_error->text, sizeof(reterr_error->text),
		 "DPDK does not start (%s): with hugepages check that enough are free, without set dpdk: {memory: ...} "
		 "lower; --dpdk-log shows more",
		 strerror(-err));
	return err;
}
