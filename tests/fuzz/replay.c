/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs a fuzz target over files and folders: a corpus is replayed in every build, with any compiler.
 */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = NULL;
	size_t size = 0, got;

	if (!file)
		return -1;
	do { /* exactly as large as the input: ASan then sees the first byte too many */
		data = realloc(data, size + 4096);
		got = data ? fread(data + size, 1, 4096, file) : 0;
		size += got;
	} while (got == 4096);
	fclose(file);
	data = realloc(data, size ? size : 1);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

static int replay(const char *path, unsigned int *count)
{
	char name[PATH_MAX];
	struct dirent *entry;
	DIR *folder = opendir(path);

	if (!folder) {
		(*count)++;
		return replay_file(path);
	}
	while ((entry = readdir(folder)))
		if (entry->d_name[0] != '.' && snprintf(name, sizeof(name), "%s/%s", path, entry->d_name) > 0 &&
		    replay(name, count))
			fprintf(stderr, "%s: cannot be read\n", name);
	closedir(folder);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int count = 0;

	for (int i = 1; i < argc; i++)
		if (replay(argv[i], &count))
			fprintf(stderr, "%s: cannot be read\n", argv[i]);
	printf("%u inputs replayed\n", count);
	return count == 0;
}
