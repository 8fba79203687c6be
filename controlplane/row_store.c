/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of row histories: names, reading whole ones, replacing them. What is in one is row_file.c's. */
#include "controlplane/row_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_SIZE = 32, FILE_SIZE_MAX = 1 << 30 }; /* the largest table with every row open is 0.8 GiB */

struct row_store {
	int fd;
	char dir[256];
};

int row_store_open(const char *dir, struct row_store **ret_store, char *reterr, size_t reterr_size)
{
	struct row_store *store = calloc(1, sizeof(*store));
	int err = store ? 0 : -ENOMEM;

	if (err == 0 && (size_t)snprintf(store->dir, sizeof(store->dir), "%s", dir) >= sizeof(store->dir))
		err = -ENAMETOOLONG;
	if (err == 0 && mkdir(dir, 0700) < 0 && errno != EEXIST)
		err = -errno;
	if (err == 0) {
		store->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		err = store->fd < 0 ? -errno : 0;
	}
	if (err < 0) {
		snprintf(reterr, reterr_size, "directory '%s': %s; histories of rows would not survive a restart: make it writable",
			 dir, strerror(-err));
		free(store);
		return err;
	}
	*ret_store = store;
	return 0;
}

void row_store_close(struct row_store *store)
{
	if (!store)
		return;
	close(store->fd);
	free(store);
}

/* ---- reading ------------------------------------------------------------------------------------------ */

static int read_bytes(int fd, size_t size, void **ret_bytes)
{
	uint8_t *bytes = malloc(size + 1);
	size_t done = 0;
	ssize_t n = 1;

	if (!bytes)
		return -ENOMEM;
	while (done < size && n != 0) {
		n = read(fd, bytes + done, size - done);
		if (n < 0 && errno != EINTR)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	if (done < size) {
		free(bytes);
		return n < 0 ? -errno : -EINVAL;
	}
	*ret_bytes = bytes;
	return 0;
}

static int read_file(const struct row_store *store, const char *name, struct row_file *ret_file, const char **ret_fault)
{
	const int fd = openat(store->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	void *bytes = NULL;
	int err = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;

	if (err == 0 && (!S_ISREG(st.st_mode) || st.st_size > FILE_SIZE_MAX))
		err = -EINVAL;
	if (err == 0)
		err = read_bytes(fd, (size_t)st.st_size, &bytes);
	*ret_fault = err == -EINVAL ? "not a file of that kind" : strerror(-err);
	if (err == 0)
		err = row_file_decode(bytes, (size_t)st.st_size, ret_file, ret_fault);
	free(bytes);
	if (fd >= 0)
		close(fd);
	return err;
}

/* The pool that a file is named by, or -1: another file. */
static long pool_of(const char *name)
{
	char *end, again[NAME_SIZE];
	const unsigned long pool = strtoul(name, &end, 10);

	snprintf(again, sizeof(again), "%lu.rows", pool);
	return pool < SL_POOLS_MAX && strcmp(again, name) == 0 ? (long)pool : -1;
}

/* What cannot be read is kept for people, under a name that is not read again. */
static void put_aside(const struct row_store *store, const char *name, const char *fault,
		      void (*damaged)(void *ctx, const char *line), void *ctx)
{
	char line[512], aside[NAME_SIZE];

	snprintf(aside, sizeof(aside), "%ld.damaged", pool_of(name));
	snprintf(line, sizeof(line), "'%s/%s': %s; kept as '%s': connections that a change moved lately may break",
		 store->dir, name, fault, aside);
	if (renameat(store->fd, name, store->fd, aside) < 0)
		unlinkat(store->fd, name, 0);
	damaged(ctx, line);
}

/* One file of the directory: read into *files, put aside, removed, or none of ours. */
static int take_entry(struct row_store *store, const char *name, struct row_file **files, size_t *count,
		      void (*damaged)(void *ctx, const char *line), void *ctx)
{
	const size_t len = strlen(name);
	const char *fault = NULL;
	struct row_file *grown, file;
	int err;

	if (len > 4 && len < NAME_SIZE && strcmp(name + len - 4, ".new") == 0)
		unlinkat(store->fd, name, 0); /* a write that was killed */
	if (pool_of(name) < 0)
		return 0;
	err = read_file(store, name, &file, &fault);
	if (err == -ENOMEM)
		return err;
	if (err == 0 && file.pool != pool_of(name)) {
		row_file_clear(&file);
		fault = "of another pool than its name says";
		err = -EINVAL;
	}
	if (err < 0) {
		put_aside(store, name, fault, damaged, ctx);
		return 0;
	}
	grown = realloc(*files, (*count + 1) * sizeof(file));
	if (!grown) {
		row_file_clear(&file);
		return -ENOMEM;
	}
	grown[(*count)++] = file;
	*files = grown;
	return 0;
}

int row_store_read(struct row_store *store, struct row_file **ret_files, size_t *ret_count,
		   void (*damaged)(void *ctx, const char *line), void *ctx, char *reterr, size_t reterr_size)
{
	const int fd = openat(store->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct row_file *files = NULL;
	const struct dirent *entry;
	size_t count = 0;
	int err = dir ? 0 : -errno;

	while (err == 0 && (entry = readdir(dir)) != NULL)
		err = take_entry(store, entry->d_name, &files, &count, damaged, ctx);
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	if (err < 0) {
		snprintf(reterr, reterr_size, "directory '%s': %s; going on without histories of rows", store->dir, strerror(-err));
		for (size_t i = 0; i < count; i++)
			row_file_clear(&files[i]);
		free(files);
		return err;
	}
	*ret_files = files;
	*ret_count = count;
	return 0;
}

/* ---- writing ------------------------------------------------------------------------------------------ */

static int write_bytes(int fd, const uint8_t *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		const ssize_t n = write(fd, bytes + done, size - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int row_store_write(struct row_store *store, const struct row_file *file, char *reterr, size_t reterr_size)
{
	char name[NAME_SIZE], beside[NAME_SIZE];
	void *bytes = NULL;
	size_t size = 0;
	int fd = -1, err = row_file_encode(file, &bytes, &size);

	snprintf(name, sizeof(name), "%u.rows", file->pool);
	snprintf(beside, sizeof(beside), "%u.rows.new", file->pool);
	if (err == 0) {
		fd = openat(store->fd, beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
		err = fd < 0 ? -errno : write_bytes(fd, bytes, size);
	}
	if (fd >= 0 && close(fd) < 0 && err == 0)
		err = -errno;
	if (err == 0 && renameat(store->fd, beside, store->fd, name) < 0)
		err = -errno;
	free(bytes);
	if (err == 0)
		return 0;
	if (fd >= 0)
		unlinkat(store->fd, beside, 0);
	snprintf(reterr, reterr_size, "'%s/%s': %s; a restart of sluiced would not know what changed since: free space or make "
		 "the directory writable", store->dir, name, strerror(-err));
	return err;
}

void row_store_remove(struct row_store *store, uint32_t pool)
{
	char name[NAME_SIZE];

	snprintf(name, sizeof(name), "%u.rows", pool);
	unlinkat(store->fd, name, 0);
}
