/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shared-memory file: its header, checked before the file is mapped (shm_header.c says what is sound).
 */
#include "dataplane/shm.h"

#include <errno.h>
#include <stdlib.h>

struct shm {
	struct sl_shm_header header; /* private copy */
	struct shared_file file;
};

int shm_open_at(int dir_fd, uid_t owner, struct shm **ret_shm, struct shm_error *reterr_error)
{
	struct shm *shm = calloc(1, sizeof(*shm));
	int err;

	if (shm == NULL)
		return shm_refuse(reterr_error, -ENOMEM, "no memory");
	err = shared_file_open(dir_fd, SL_SHM_FILE, owner, &shm->header, sizeof(shm->header), &shm->file, reterr_error);
	if (err < 0) {
		free(shm);
		return err;
	}
	if (shm->file.size < SL_SHM_HEADER_PAGES * SL_SHM_PAGE)
		err = shm_refuse(reterr_error, -EBADMSG,
				 "%llu bytes are too few for a header: restart sluiced, which writes a new file",
				 (unsigned long long)shm->file.size);
	if (err == 0)
		err = shm_header_check(&shm->header, shm->file.size, reterr_error);
	if (err == 0)
		err = shared_file_map(&shm->file, reterr_error);
	if (err < 0) {
		shared_file_close(&shm->file);
		free(shm);
		return err;
	}
	*ret_shm = shm;
	return 0;
}

void shm_close(struct shm *shm)
{
	if (shm == NULL)
		return;
	shared_file_close(&shm->file);
	free(shm);
}

bool shm_is_lost(const struct shm *shm)
{
	return shared_file_is_lost(&shm->file);
}

bool shm_is_replaced(const struct shm *shm, int dir_fd)
{
	return shm == NULL || shm_is_lost(shm) || shared_file_is_replaced(&shm->file, dir_fd, SL_SHM_FILE);
}

void *shm_base(const struct shm *shm)
{
	return shm->file.base;
}

const struct sl_shm_header *shm_header(const struct shm *shm)
{
	return &shm->header;
}

struct sl_shm_live *shm_live(const struct shm *shm)
{
	return (struct sl_shm_live *)((uint8_t *)shm->file.base + SL_SHM_HEADER_PAGES * SL_SHM_PAGE);
}

uid_t shm_owner(const struct shm *shm)
{
	return shm->file.owner;
}
