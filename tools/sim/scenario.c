/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loads a scenario file: text → the configuration's YAML tree → struct scenario.
 */
#include "scenario.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scenario_read.h"

enum { SCENARIO_FILE_MAX = 16 * 1024 * 1024 };

const char *scenario_event_word(enum scenario_event_kind kind)
{
	switch (kind) { /* no default: the compiler finds the forgotten one */
	case SCENARIO_UP: return "up";
	case SCENARIO_DOWN: return "down";
	case SCENARIO_UNKNOWN: return "unknown";
	case SCENARIO_DRAIN: return "drain";
	case SCENARIO_RETIRE: return "retire";
	case SCENARIO_OFF: return "off";
	case SCENARIO_READY: return "ready";
	case SCENARIO_WEIGHT: return "weight";
	case SCENARIO_RELOAD: return "reload";
	case SCENARIO_KEY: return "key";
	case SCENARIO_NEIGHBOR: return "neighbor";
	case SCENARIO_PORT: return "port";
	case SCENARIO_EVENT_KIND_COUNT: break;
	}
	return "?";
}

void scenario_free(struct scenario *scenario)
{
	if (scenario != NULL)
		config_arena_destroy(scenario->memory); /* the scenario itself included */
}

static struct scenario *scenario_create(void)
{
	struct config_arena *memory = config_arena_create();
	struct scenario *scenario = memory != NULL ? config_arena_alloc(memory, 1, sizeof(*scenario)) : NULL;

	if (scenario == NULL) {
		config_arena_destroy(memory);
		return NULL;
	}
	scenario->memory = memory;
	return scenario;
}

/* The part of `path` up to its last slash; the caller frees. NULL: no memory. */
static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? strndup(path, (size_t)(slash - path) + 1) : strdup("");
}

int scenario_load_text(const char *path, const char *text, size_t len, FILE *out,
		       struct scenario **ret_scenario)
{
	struct config_errors *errors = config_errors_create(path, text, len);
	struct config_arena *tree = config_arena_create();
	struct scenario *scenario = scenario_create();
	char *directory = directory_of(path);
	struct config_node *root;
	int err = -ENOMEM;

	if (errors == NULL || tree == NULL || scenario == NULL || directory == NULL)
		goto out;
	root = config_parse(text, len, tree, errors);
	if (root != NULL) {
		struct scenario_reader reader = {
			.memory = scenario->memory, .errors = errors, .directory = directory};

		scenario_read(&reader, root, scenario);
	}
	config_errors_seal(errors);
	err = config_errors_out_of_memory(errors) ? -ENOMEM : config_errors_count(errors) > 0 ? -EINVAL : 0;
	if (err == -EINVAL)
		config_errors_print(errors, out);
	if (err == 0) {
		*ret_scenario = scenario;
		scenario = NULL;
	}
out:
	if (err == -ENOMEM)
		fprintf(out, "%s: out of memory\n", path);
	free(directory);
	scenario_free(scenario);
	config_arena_destroy(tree);
	config_errors_free(errors);
	return err;
}

static int read_all(const char *path, char **ret_text, size_t *ret_len)
{
	FILE *file = fopen(path, "re");
	char *text;
	size_t len;
	int err = 0;

	if (file == NULL)
		return -errno;
	text = malloc(SCENARIO_FILE_MAX + 1);
	if (text == NULL) {
		fclose(file);
		return -ENOMEM;
	}
	len = fread(text, 1, SCENARIO_FILE_MAX + 1, file);
	if (ferror(file))
		err = -errno;
	else if (len > SCENARIO_FILE_MAX)
		err = -EFBIG;
	fclose(file);
	if (err < 0) {
		free(text);
		return err;
	}
	*ret_text = text;
	*ret_len = len;
	return 0;
}

int scenario_load(const char *path, FILE *out, struct scenario **ret_scenario)
{
	char *text = NULL;
	size_t len = 0;
	int err = read_all(path, &text, &len);

	if (err < 0) {
		fprintf(out,
			"%s: the scenario cannot be read: %s; needed: a readable file of at most %d bytes\n",
			path, strerror(-err), SCENARIO_FILE_MAX);
		return err;
	}
	err = scenario_load_text(path, text, len, out, ret_scenario);
	free(text);
	return err;
}
