/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sluice-device: where the XDP program forwards, there is no process whose end would show that nothing does any more.
 * This one stands in for it: it holds the TUN device of the VIP addresses (device.c) as long as the program is on an
 * interface, whatever becomes of the sluiced that started it, and does nothing else.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/device.h"
#include "dataplane/interface.h"
#include "dataplane/log.h"
#include "sluice/host/lock.h"
#include "sluice/xdp.h"

enum {
	HOLDER_LOOK_MS = 50,       /* a program that is gone is noticed within this */
	HOLDER_SWITCH_MS = 2000,   /* within this sluiced lets the program forward where no sluice-dp is left */
	HOLDER_LONELY_MS = 10000,  /* without a program and without a sluiced: nobody will ask for the device */
};

/* Names of pins have a colon for the dot of an interface's name (bpffs allows none). */
static void holder_ifname(const char *pin, char ret_name[static IF_NAMESIZE])
{
	snprintf(ret_name, IF_NAMESIZE, "%s", pin);
	for (; *ret_name; ret_name++)
		if (*ret_name == ':')
			*ret_name = '.';
}

/* True when the interface whose pins lie in `pins`/`name` has a program on it, and the link that holds it there. */
static bool holder_is_attached(int pins, const char *name)
{
	struct interface_info info;
	char path[IF_NAMESIZE + 8], ifname[IF_NAMESIZE];

	if (strlen(name) >= IF_NAMESIZE)
		return false;
	snprintf(path, sizeof(path), "%s/link", name);
	holder_ifname(name, ifname);
	return faccessat(pins, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 && interface_read(ifname, &info) == 0 &&
	       info.xdp_program[0] != 0;
}

/* True when the program of some interface of the instance is attached. `path`: <bpffs>/sluice/<instance>. */
static bool holder_forwards(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	bool found = false;

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir)) != NULL)
		found = entry->d_type == DT_DIR && entry->d_name[0] != '.' && holder_is_attached(dirfd(dir), entry->d_name);
	closedir(dir);
	return found;
}

/* What the program does with packets to VIPs, as sluice/xdp.h has it; redirect when it cannot be read. */
static uint32_t holder_action(const char *pins)
{
	struct sl_xdp_root root = {0};
	char path[PATH_MAX];
	union bpf_attr attr = {.pathname = (__u64)(uintptr_t)path};
	const __u32 only = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/root", pins);
	fd = (int)syscall(SYS_bpf, BPF_OBJ_GET, &attr, sizeof(attr));
	if (fd < 0)
		return SL_XDP_REDIRECT;
	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (__u32)fd;
	attr.key = (__u64)(uintptr_t)&only;
	attr.value = (__u64)(uintptr_t)&root;
	if (syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr)) < 0)
		root.action = SL_XDP_REDIRECT;
	close(fd);
	return root.action;
}

static uint64_t holder_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Until sluiced asks for the device back, or nobody is left to ask. */
static void holder_run(struct device *device, const char *pins, int lock)
{
	const struct timespec pause = {.tv_nsec = HOLDER_LOOK_MS * 1000000l};
	uint64_t unserved_ms = 0;
	bool held = false;

	for (uint64_t lonely_ms = 0; lonely_ms < HOLDER_LONELY_MS; nanosleep(&pause, NULL)) {
		/* a program that redirects needs a sluice-dp to redirect to */
		const bool served = holder_action(pins) != SL_XDP_REDIRECT || sl_lock_is_held(lock, SL_LOCK_DATA);
		bool forwards;

		unserved_ms = served ? 0 : unserved_ms + HOLDER_LOOK_MS;
		forwards = unserved_ms <= HOLDER_SWITCH_MS && holder_forwards(pins);

		device_tick(device, holder_now_ns(), 0, forwards);
		if (held && forwards && device->tun < 0)
			return;
		held = device->tun >= 0;
		lonely_ms = forwards || device->socket >= 0 ? 0 : lonely_ms + HOLDER_LOOK_MS;
	}
}

int main(int argc, char **argv)
{
	struct device device;
	char reterr[256];
	int dir, lock = -1, err;

	if (argc != 4 || (strcmp(argv[3], "text") != 0 && strcmp(argv[3], "json") != 0)) {
		fputs("usage: sluice-device RUNTIME-DIR PINS text|json\nsluiced starts this program; nobody else needs to.\n",
		      stderr);
		return 1;
	}
	signal(SIGPIPE, SIG_IGN); /* whoever read our log may be gone before us */
	log_setup(strcmp(argv[3], "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = dir < 0 ? -errno : device_init(&device, argv[1], (uid_t)-1);
	if (err < 0) {
		log_event(LOG_LEVEL_ERROR, "runtime directory cannot be used", LOG_STR("directory", argv[1]),
			  LOG_ERRNO("cause", err));
		return 3;
	}
	err = sl_lock_take(dir, SL_LOCK_DEVICE, &lock, reterr, sizeof(reterr));
	if (err == -EBUSY)
		return 0; /* the one that an earlier sluiced started goes on */
	if (err < 0) {
		log_event(LOG_LEVEL_ERROR, "the VIP device cannot be held", LOG_STR("cause", reterr));
		return 3;
	}
	holder_run(&device, argv[2], lock);
	device_fini(&device);
	return 0;
}
