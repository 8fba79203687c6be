/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keeps a file that can be used, makes one in its place otherwise. What makes a header sound is
 * sluice/flows_file.h's, how a file gets memory, group and name is runtime_file.c's.
 */
#include "controlplane/flow_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controlplane/runtime_file.h"
#include "sluice/host/guard.h"

struct flow_file {
	struct sl_flows_header header;
	int dir_fd;
	dev_t device;
	ino_t inode;
	void *base;
	struct sl_guard *guard;
};

/* A file as it was found. */
struct found {
	int fd; /* -1: none that could be read */
	struct sl_flows_header header;
	struct sl_flows_live live;
	bool exists;
};

static int __attribute__((format(printf, 3, 4))) unusable(char *why, size_t size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, size, format, args);
	va_end(args);
	return -EBADMSG;
}

/* Type, owner and mode: entries send connections to backends, and the header holds the flow key. */
static int check_file(const struct stat *st, char *why, size_t size)
{
	if (!S_ISREG(st->st_mode))
		return unusable(why, size, "not a regular file");
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return unusable(why, size, "it belongs to uid %u", (unsigned int)st->st_uid);
	if ((st->st_mode & S_IRWXO) != 0)
		return unusable(why, size, "everybody may read or write it (mode %04o)", (unsigned int)(st->st_mode & 07777));
	return 0;
}

/* Opens what has the name and copies its header. 0, or -EBADMSG and why; found->fd is then -1. */
static int find(int dir_fd, const uint8_t boot_id[16], struct found *found, char *why, size_t size)
{
	enum sl_flows_fault fault;
	struct stat st;
	int err;

	memset(found, 0, sizeof(*found));
	/* O_NONBLOCK: a FIFO of that name must not hold us up before fstat() unmasks it */
	found->fd = openat(dir_fd, SL_FLOWS_FILE, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (found->fd < 0) {
		found->exists = errno != ENOENT;
		return unusable(why, size, "%s", errno == ENOENT ? "there was none" : errno == ELOOP ? "a symbolic link" : strerror(errno));
	}
	found->exists = true;
	err = fstat(found->fd, &st) < 0 ? unusable(why, size, "%s", strerror(errno)) : check_file(&st, why, size);
	if (err == 0 && (pread(found->fd, &found->header, sizeof(found->header), 0) < 0 ||
			 pread(found->fd, &found->live, sizeof(found->live), SL_SHM_PAGE) < 0))
		err = unusable(why, size, "it cannot be read: %s", strerror(errno));
	if (err == 0) {
		fault = sl_flows_check(&found->header, (uint64_t)st.st_size);
		if (fault == SL_FLOWS_SOUND && memcmp(found->header.boot_id, boot_id, sizeof(found->header.boot_id)) != 0)
			fault = SL_FLOWS_BOOT;
		if (fault != SL_FLOWS_SOUND)
			err = unusable(why, size, "%s", sl_flows_fault_name(fault));
	}
	if (err < 0) {
		close(found->fd);
		found->fd = -1;
	}
	return err;
}

/*
 * Whether a sound file is for what is wanted. -ERANGE: it is, but too small, and somebody will carry its entries
 * over to a bigger one.
 */
static int check_want(const struct found *found, const struct flow_file_want *want, char *why, size_t size)
{
	const enum sl_flows_fault fault =
		sl_flows_check_owner(&found->header, want->boot_id, &want->flow_key, want->numbering);

	if (fault != SL_FLOWS_SOUND)
		return unusable(why, size, "%s", sl_flows_fault_name(fault));
	if (!want->heir && want->now_s - found->live.swept_s > want->life_s) /* a moment to come wraps */
		return unusable(why, size, "not tended for %lld s: the ages of its entries are not known",
				(long long)(want->now_s - found->live.swept_s));
	if (!want->heir || found->header.buckets >= sl_flows_buckets(want->flows))
		return 0;
	unusable(why, size, "limits: flows asks for more than its %llu connections; sluice-dp takes them along",
		 (unsigned long long)(sl_flows_capacity(found->header.buckets) * 4 / 5));
	return -ERANGE;
}

static int map(int fd, struct flow_file *file, const struct runtime_file *made, const struct runtime_reason *reason)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return runtime_fail(reason, -errno, "\"%s/%s\": cannot be examined: %s", made->dir, made->name, strerror(errno));
	file->device = st.st_dev;
	file->inode = st.st_ino;
	file->base = mmap(NULL, file->header.total_size, PROT_READ, MAP_SHARED, fd, 0);
	if (file->base == MAP_FAILED)
		return runtime_fail(reason, -errno, "\"%s/%s\": cannot be mapped: %s", made->dir, made->name, strerror(errno));
	file->guard = sl_guard_add(file->base, file->header.total_size);
	if (file->guard == NULL) {
		munmap(file->base, file->header.total_size);
		return runtime_fail(reason, -EMFILE, "\"%s\": too many shared-memory files are mapped at once", made->dir);
	}
	return 0;
}

static int write_pages(int fd, const struct sl_flows_header *header, const struct flow_file_want *want)
{
	const struct sl_flows_live live = { .swept_s = want->now_s, .capacity = sl_flows_capacity(header->buckets) };

	if (pwrite(fd, header, sizeof(*header), 0) != (ssize_t)sizeof(*header) ||
	    pwrite(fd, &live, sizeof(live), SL_SHM_PAGE) != (ssize_t)sizeof(live))
		return errno > 0 ? -errno : -EIO;
	return 0;
}

static int make(const struct flow_file_want *want, struct runtime_file *made, struct flow_file *file,
		const struct runtime_reason *reason)
{
	struct sl_flows_header header;
	int fd, err;

	memset(&header, 0, sizeof(header));
	sl_flows_layout(&header, sl_flows_buckets(want->flows));
	header.created_ns = want->wall_ns;
	memcpy(header.boot_id, want->boot_id, sizeof(header.boot_id));
	header.flow_key = want->flow_key;
	header.numbering = want->numbering;
	header.checksum = sl_flows_checksum(&header);
	made->size = header.total_size;
	fd = runtime_file_begin(made, reason);
	if (fd < 0)
		return fd;
	file->header = header;
	err = write_pages(fd, &header, want);
	if (err < 0)
		runtime_fail(reason, err, "\"%s/%s.new\": cannot be written: %s", made->dir, made->name, strerror(-err));
	if (err == 0)
		err = map(fd, file, made, reason);
	close(fd);
	if (err == 0) {
		err = runtime_file_end(made, reason);
		if (err < 0) {
			sl_guard_remove(file->guard);
			munmap(file->base, header.total_size);
		}
	}
	if (err < 0)
		runtime_file_abandon(made);
	return err;
}

/* Takes the file that was found, with memory behind every byte and the group that sluice-dp has now. */
static int keep(const struct found *found, const struct flow_file_want *want, struct runtime_file *made,
		struct flow_file *file, struct flow_file_report *report, const struct runtime_reason *reason)
{
	int err;

	made->size = found->header.total_size;
	err = runtime_file_take(found->fd, made, reason);
	if (err < 0)
		return err;
	file->header = found->header;
	report->used = found->live.used <= sl_flows_capacity(found->header.buckets) ? found->live.used : 0;
	report->small = found->header.buckets < sl_flows_buckets(want->flows);
	return map(found->fd, file, made, reason);
}

static int keep_or_make(const struct flow_file_want *want, struct runtime_file *made, struct flow_file *file,
			struct flow_file_report *report, const struct runtime_reason *reason)
{
	struct found found;
	int err = find(made->dir_fd, want->boot_id, &found, report->why, sizeof(report->why));

	if (err == 0)
		err = check_want(&found, want, report->why, sizeof(report->why));
	if (err == 0) {
		err = keep(&found, want, made, file, report, reason);
	} else {
		report->made = true;
		report->lost = found.exists && err != -ERANGE;
		if (report->lost)
			unlinkat(made->dir_fd, SL_FLOWS_FILE, 0); /* of no use to anybody: its memory is for the new one */
		err = make(want, made, file, reason);
	}
	if (found.fd >= 0)
		close(found.fd);
	report->capacity = sl_flows_capacity(file->header.buckets);
	return err;
}

int flow_file_open(const char *dir, const struct flow_file_want *want, struct flow_file **ret_file,
		   struct flow_file_report *ret_report, char *reterr, size_t reterr_size)
{
	const struct runtime_reason reason = { reterr, reterr_size };
	struct runtime_file made = { .dir = dir, .name = SL_FLOWS_FILE, .boot = want->boot,
				     .ask_less = "lower limits: flows" };
	struct flow_file_report report = { .made = false };
	struct flow_file *file = calloc(1, sizeof(*file));
	int err;

	if (file == NULL)
		return runtime_fail(&reason, -ENOMEM, "no memory");
	err = made.dir_fd = file->dir_fd = runtime_file_open_directory(dir, &reason);
	if (err >= 0) {
		err = keep_or_make(want, &made, file, &report, &reason);
		if (err < 0)
			close(file->dir_fd);
	}
	if (err < 0) {
		free(file);
		return err;
	}
	*ret_report = report;
	*ret_file = file;
	return 0;
}

void flow_file_close(struct flow_file *file)
{
	if (file == NULL)
		return;
	sl_guard_remove(file->guard);
	munmap(file->base, file->header.total_size);
	close(file->dir_fd);
	free(file);
}

int flow_file_peek(const char *dir, const uint8_t boot_id[16], struct sl_flows_header *ret_header)
{
	const int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct found found;
	char why[192];
	int err;

	if (dir_fd < 0)
		return -errno;
	err = find(dir_fd, boot_id, &found, why, sizeof(why));
	if (err == 0) {
		*ret_header = found.header;
		close(found.fd);
	}
	close(dir_fd);
	return err;
}

bool flow_file_is_lost(const struct flow_file *file)
{
	struct stat st;

	return sl_guard_lost(file->guard) || memcmp(file->base, &file->header, sizeof(file->header)) != 0 ||
	       fstatat(file->dir_fd, SL_FLOWS_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	       st.st_ino != file->inode || st.st_dev != file->device;
}

const struct sl_flows_header *flow_file_header(const struct flow_file *file)
{
	return &file->header;
}

const struct sl_flows_live *flow_file_live(const struct flow_file *file)
{
	return (const void *)((const uint8_t *)file->base + SL_SHM_PAGE);
}

const struct sl_flow_bucket *flow_file_buckets(const struct flow_file *file)
{
	return (const void *)((const uint8_t *)file->base + file->header.hot.offset);
}

const struct sl_flow_home *flow_file_homes(const struct flow_file *file)
{
	return (const void *)((const uint8_t *)file->base + file->header.home.offset);
}
