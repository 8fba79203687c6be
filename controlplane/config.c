/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loads a configuration file: text → tree → struct config → checks. Reads the file and nothing else.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_read.h"

/* Section by section, referenced things first: order in the file does not matter. */
static void read_all(struct config_reader *reader, const struct config_node *root)
{
	static const char *const maps[] = { "xdp", "announce", "limits", "log" };

	reader->root = root;
	config_read_section(reader, "", root, NULL, reader->config);
	config_read_dpdk(reader, config_node_get(root, "dpdk"));
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		const struct config_path path = { .key = maps[i] };
		const struct config_node *node = config_node_get(root, maps[i]);

		if (node)
			node = config_read_expect(reader, node, CONFIG_NODE_MAP, maps[i], &path);
		config_read_section(reader, maps[i], node, &path, reader->config);
	}
	config_read_interfaces(reader, config_node_get(root, "interfaces"));
	config_read_checks(reader, config_node_get(root, "checks"));
	config_read_pools(reader, config_node_get(root, "pools"));
	config_read_services(reader, config_node_get(root, "services"));
	config_read_vips(reader, config_node_get(root, "vips"));
	config_check(reader);
}

/* How many things the file can define at most: arrays are made once. */
static bool make_room(struct config_reader *reader, const struct config_node *root)
{
	const struct config_node *checks = config_node_get(root, "checks"),
				 *pools = config_node_get(root, "pools");
	const struct config_node *services = config_node_get(root, "services");
	const size_t service_count = services ? services->count : 0;
	const size_t pool_count = (pools ? pools->count : 0) + service_count;
	const size_t check_count = (checks ? checks->count : 0) + pool_count;
	struct config *config = reader->config;

	config->checks = config_read_alloc(reader, check_count, sizeof(*config->checks));
	config->pools = config_read_alloc(reader, pool_count, sizeof(*config->pools));
	config->services = config_read_alloc(reader, service_count, sizeof(*config->services));
	reader->pool_origins = config_read_alloc(reader, pool_count, sizeof(*reader->pool_origins));
	reader->check_index = config_index_create(check_count);
	reader->pool_index = config_index_create(pool_count);
	return config->checks && config->pools && config->services && reader->pool_origins &&
	       reader->check_index && reader->pool_index;
}

static struct config *config_create(void)
{
	struct config_arena *arena = config_arena_create();
	struct config *config = arena ? config_arena_alloc(arena, 1, sizeof(*config)) : NULL;

	if (!config) {
		config_arena_destroy(arena);
		return NULL;
	}
	config->memory = arena;
	return config;
}

void config_free(struct config *config)
{
	if (config)
		config_arena_destroy(config->memory);
}

int config_load_text(const char *path, const char *text, size_t len, const struct config_host *host,
		     struct config **ret_config, struct config_errors **ret_errors)
{
	static const struct config_host unknown;
	const size_t mark =
		len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* says nothing in UTF-8 */
	struct config_errors *errors = config_errors_create(path, text + mark, len - mark);
	struct config_arena *arena = config_arena_create();
	struct config_reader reader = { .config = config_create(),
					.errors = errors,
					.host = host ? host : &unknown };
	struct config_node *root;
	int err = -ENOMEM;

	*ret_config = NULL;
	*ret_errors = NULL;
	if (!errors || !arena || !reader.config)
		goto out;
	root = config_parse(text + mark, len - mark, arena, errors);
	if (root && make_room(&reader, root))
		read_all(&reader, root);
	config_errors_seal(errors);
	err = config_errors_out_of_memory(errors) ? -ENOMEM : config_errors_count(errors) > 0 ? -EINVAL : 0;
	if (err != -ENOMEM) {
		*ret_errors = errors;
		errors = NULL;
	}
	if (err == 0) {
		*ret_config = reader.config;
		reader.config = NULL;
	}
out:
	config_index_destroy(reader.check_index);
	config_index_destroy(reader.pool_index);
	config_arena_destroy(arena);
	config_errors_free(errors);
	config_free(reader.config);
	return err;
}

/* Reads a whole file of bounded size; *ret_root_owned: root's, and nobody else may write it. */
static int read_file(const char *path, char **ret_text, size_t *ret_len, bool *ret_root_owned)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	char *text = NULL;
	size_t len = 0;
	ssize_t got = 0;
	int err = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		err = -errno;
	else if (S_ISDIR(st.st_mode))
		err = -EISDIR;
	else if (st.st_size > CONFIG_TEXT_MAX)
		err = -EFBIG;
	for (size_t room = 0; !err; len += (size_t)got) {
		if (len == room) {
			char *larger = room > CONFIG_TEXT_MAX
					       ? NULL
					       : realloc(text, room = room ? room * 2 : 64 * 1024);

			if (!larger) {
				err = room > CONFIG_TEXT_MAX ? -EFBIG : -ENOMEM;
				break;
			}
			text = larger;
		}
		got = read(fd, text + len, room - len);
		if (got < 0)
			err = -errno;
		if (got <= 0)
			break;
	}
	close(fd);
	if (err) {
		free(text);
		return err;
	}
	*ret_text = text;
	*ret_len = len;
	*ret_root_owned = S_ISREG(st.st_mode) && st.st_uid == 0 && !(st.st_mode & (S_IWGRP | S_IWOTH));
	return 0;
}

static int unreadable(const char *path, int err, struct config_errors **ret_errors)
{
	struct config_errors *errors = config_errors_create(path, NULL, 0);

	if (!errors)
		return -ENOMEM;
	config_errors_add(errors, (struct config_mark){ 0 }, NULL,
			  "cannot be read: %s; needed: a readable file of at most %d bytes", strerror(-err),
			  CONFIG_TEXT_MAX);
	config_errors_seal(errors);
	*ret_errors = errors;
	return err;
}

int config_load(const char *path, const struct config_host *host, struct config **ret_config,
		struct config_errors **ret_errors)
{
	struct config_host known = { 0 };
	char *text = NULL;
	size_t len = 0;
	int err;

	if (host)
		known = *host;
	*ret_config = NULL;
	*ret_errors = NULL;
	err = read_file(path, &text, &len, &known.file_root_owned); /* of the bytes read: no race */
	if (err)
		return unreadable(path, err, ret_errors);
	err = config_load_text(path, text, len, &known, ret_config, ret_errors);
	free(text);
	return err;
}
