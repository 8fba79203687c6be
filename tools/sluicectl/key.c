/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * key new: a fleet key, made here; no sluiced is asked. A file is never overwritten.
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "client.h"
#include "controlplane/key_file.h"

static enum ctl_exit print_new_key(void)
{
	char text[KEY_TEXT_LEN + 1];
	struct sl_key key;

	if (getrandom(&key, sizeof(key), 0) != sizeof(key)) {
		fprintf(stderr, "sluicectl: the kernel gave no random bytes: %s\n", strerror(errno));
		return CTL_REFUSED;
	}
	key_format(&key, text);
	printf("%s\n", text);
	return fflush(stdout) == 0 ? CTL_DONE : CTL_REFUSED;
}

enum ctl_exit ctl_key_new(const struct ctl_options *options, char **arguments)
{
	char fingerprint[KEY_FINGERPRINT_LEN + 1];
	char error[512] = "";
	struct sl_key key;

	if (arguments[0] == NULL || strcmp(arguments[0], "-") == 0)
		return print_new_key();
	if (key_file_create(arguments[0], &key, error, sizeof(error)) < 0) {
		fprintf(stderr, "sluicectl: %s\n", error);
		return CTL_REFUSED;
	}
	key_fingerprint(&key, fingerprint);
	if (options->json) {
		json_t *made = json_pack("{s:s, s:s}", "file", arguments[0], "fingerprint", fingerprint);

		client_print(made);
		json_decref(made);
		return CTL_DONE;
	}
	printf("%s: new key, fingerprint %s; copy it to every balancer of the fleet\n", arguments[0], fingerprint);
	return CTL_DONE;
}
