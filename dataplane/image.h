/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data plane's own log, in the image region of the shared file, of everything it applied: a
 * restarted sluice-dp replays it and forwards at once, whatever sluiced does. Two halves; one word,
 * written last, says which half holds how much, so a kill at any instruction leaves the old state or
 * the new one. Records carry their place and checksums: a flipped byte is noticed. Manager only.
 */
#ifndef DATAPLANE_IMAGE_H
#define DATAPLANE_IMAGE_H

#include <stdbool.h>

#include "dataplane/apply.h"

/* All fields private to image.c. */
struct image {
	uint8_t *half[2];
	uint64_t *published;   /* shared; half, length and a check in one word; 0: nothing */
	uint64_t half_size;    /* 0: the file has no room for an image */
	uint64_t session;
	bool corrupt;          /* what is published makes no sense */
	unsigned int active;   /* the published half */
	uint64_t length;       /* of it */
	unsigned int writing;  /* the half that the current generation is written to */
	uint64_t at;           /* bytes of it, the unpublished ones included */
	bool whole;            /* `writing` began with a RESET, so it says everything */
	bool overflow;         /* the current generation did not fit */
};

void image_attach(struct image *image, void *base, const struct sl_region *region, uint64_t session);
/*
 * Replays the published half into `apply`. Returns 0 and the snapshot, -ENOENT (nothing published),
 * -EBADMSG (corrupt) or -ENOMEM.
 */
int image_replay(struct image *image, struct apply *apply, struct snapshot **ret_snapshot);
/* Writes down one record that apply took, with its table; RESET and COMMIT too. */
void image_append(struct image *image, const struct sl_record *record, const uint16_t *table);
/*
 * The generation just written is applied: publishes it, compacting into the other half when this one is
 * full. Returns 0, or -ENOSPC: there is no image any more, until a RESET.
 */
int image_commit(struct image *image, const struct apply *apply);
/* The generation being written was rejected. */
void image_void(struct image *image);

#endif
