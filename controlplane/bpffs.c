/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The BPF file system: finding or mounting it, and the names that it allows.
 */
#include "bpffs.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

/* True when this process has a mount namespace of its own, as under `ip netns exec`. */
static bool in_private_mounts(void)
{
	char self[64], init[64];
	const ssize_t n = readlink("/proc/self/ns/mnt", self, sizeof(self));
	const ssize_t m = readlink("/proc/1/ns/mnt", init, sizeof(init));

	return n > 0 && m > 0 && (n != m || memcmp(self, init, (size_t)n) != 0);
}

int bpffs_mount(const char *bpffs, bool *ret_private, struct error_text *reterr)
{
	int err;

	*ret_private = false;
	if (is_bpffs(bpffs))
		return 0;
	if (mount("bpf", bpffs, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0) {
		err = -errno;
		return error_text_set(reterr, err,
				      "%s: no BPF file system there, and mounting one failed: %s; run as "
				      "root: mkdir -p %s && mount -t bpf bpf %s",
				      bpffs, strerror(-err), bpffs, bpffs);
	}
	*ret_private = in_private_mounts();
	return 0;
}

int bpffs_make_dir(const char *path, struct error_text *reterr)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return 0;
	if (errno == EACCES || errno == EPERM)
		return error_text_set(reterr, -errno,
				      "%s: cannot make the folder for pinned BPF objects: %s; as root, chown the one it belongs "
				      "in to the user that sluiced runs as, or name another with --bpffs", path, strerror(errno));
	return error_text_set(reterr, -errno, "%s: cannot make the folder for pinned BPF objects: %s", path,
			      strerror(errno));
}

void bpffs_pin_name(char *name)
{
	for (; *name; name++)
		if (*name == '.')
			*name = ':';
}
