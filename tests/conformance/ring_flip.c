/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The byte flipper: while both ends work, random bytes of the shared memory get random values. No
 * snapshot may ever differ from the generation it claims to be, a damaged image or header must be
 * noticed, and once the flipping stops everything must converge. Arguments: seed, rounds.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "controlplane/publish_ring.h"
#include "dataplane/feed.h"
#include "dataplane/shm.h"
#include "sluice/ring.h"
#include "tests/support/world.h"

enum { IMAGE_FRONT = 16384, TURNS = 400, SETTLE_TURNS = 20000, WORLD_SEED = 21 };

struct flip {
	struct sl_shm_header header;
	uint8_t *base;
	struct publisher *publisher;
	struct feed *feed;
	uint64_t random, now_ns, generation, seen;
	unsigned int wrong, rejected, bad_images, good_images;
};

static uint64_t roll(struct flip *flip)
{
	flip->random ^= flip->random << 13;
	flip->random ^= flip->random >> 7;
	flip->random ^= flip->random << 17;
	return flip->random;
}

static void flip_byte(struct flip *flip, const struct sl_region *region, uint64_t within)
{
	uint8_t *byte = flip->base + region->offset + roll(flip) % (within < region->size ? within : region->size);

	*byte ^= 1u << (roll(flip) % 8);
}

/* One byte, where it hurts: ring heads and tails most often, then what is in flight. */
static void damage(struct flip *flip)
{
	switch (roll(flip) % 6) {
	case 0: flip_byte(flip, &flip->header.to_data, sizeof(struct sl_ring)); break;
	case 1: flip_byte(flip, &flip->header.to_control, sizeof(struct sl_ring)); break;
	case 2: flip_byte(flip, &flip->header.to_control, 8192); break;
	case 3: flip_byte(flip, &flip->header.arena, flip->header.arena.size); break;
	default: flip_byte(flip, &flip->header.to_data, flip->header.to_data.size); break;
	}
}

static void check(struct flip *flip, struct snapshot *snapshot)
{
	const uint64_t generation = snapshot_generation(snapshot);

	if (world_snapshot_digest(snapshot) != world_digest(WORLD_SEED, generation)) {
		fprintf(stderr, "a snapshot says it is generation %llu and is not\n", (unsigned long long)generation);
		flip->wrong++;
	}
	flip->seen = generation;
	feed_applied(flip->feed, generation, snapshot_tables_checksum(snapshot));
	snapshot_free(snapshot);
}

static void turn(struct flip *flip, bool flips)
{
	struct snapshot *snapshot;

	publisher_pump(flip->publisher);
	if (flips)
		damage(flip);
	flip->now_ns += 20000000;
	while ((snapshot = feed_poll(flip->feed, flip->now_ns, 16)) != NULL)
		check(flip, snapshot);
	flip->rejected += feed_rejected(flip->feed).reason != SL_REJECT_NONE;
}

static int start_feed(struct flip *flip)
{
	const struct feed_config config = { .base = flip->base, .header = &flip->header,
					    .allocator = &dp_allocator_malloc, .hello = { .pid = 1 } };

	return feed_create(&config, &flip->feed);
}

static int start(struct flip *flip)
{
	const struct publisher_events events = { .ctx = NULL };

	/* A short ring and arena, so that a flipped byte is one that matters. */
	flip->header.to_data.size = sizeof(struct sl_ring) + 32 * sizeof(struct sl_record);
	flip->header.arena.size = 16384;
	flip->base = mmap(NULL, flip->header.total_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (flip->base == MAP_FAILED ||
	    publish_ring_create(flip->base, &flip->header, &events, &flip->publisher) < 0)
		return -ENOMEM;
	return start_feed(flip);
}

/* A byte of the image that matters: the word that publishes, or the front of a half. */
static void damage_image(struct flip *flip)
{
	const struct sl_region *image = &flip->header.image;
	const struct sl_region word = { image->offset, 8 };
	struct sl_region half = { image->offset + SL_SHM_PAGE, (image->size - SL_SHM_PAGE) / 2 };

	if (roll(flip) % 2 == 0)
		half.offset += half.size;
	flip_byte(flip, roll(flip) % 8 == 0 ? &word : &half, IMAGE_FRONT);
}

/* Restarts the consumer from its image, with a damaged one when `flips`. */
static void try_image(struct flip *flip, bool flips)
{
	struct snapshot *snapshot = NULL;
	int err;

	feed_destroy(flip->feed);
	start_feed(flip);
	if (flips)
		damage_image(flip);
	err = feed_restore(flip->feed, &snapshot);
	if (err == 0) {
		flip->good_images++;
		if (snapshot_generation(snapshot) != flip->seen) {
			fprintf(stderr, "the image is not of the newest generation\n");
			flip->wrong++;
		}
		check(flip, snapshot);
	} else if (err == -EBADMSG) {
		flip->bad_images++;
		flip->wrong += !flips;
	}
}

static int flip_rings(struct flip *flip)
{
	for (int i = 0; i < TURNS; i++) {
		world_state(flip->publisher, WORLD_SEED, ++flip->generation);
		turn(flip, true);
		if (roll(flip) % 64 == 0)
			try_image(flip, true);
	}
	for (int i = 0; i < SETTLE_TURNS && (flip->seen != flip->generation || publisher_applied(flip->publisher) != flip->generation); i++)
		turn(flip, false);
	if (flip->seen != flip->generation || publisher_applied(flip->publisher) != flip->generation) {
		fprintf(stderr, "no convergence: generation %llu stated, %llu applied, %llu confirmed\n",
			(unsigned long long)flip->generation, (unsigned long long)flip->seen,
			(unsigned long long)publisher_applied(flip->publisher));
		return -1;
	}
	try_image(flip, false);
	return 0;
}

/* Every single flipped bit of a header is noticed. */
static int flip_header(const struct sl_shm_header *header)
{
	struct shm_error error;
	int wrong = 0;

	for (size_t bit = 0; bit < 8 * sizeof(*header); bit++) {
		struct sl_shm_header copy = *header;

		((uint8_t *)&copy)[bit / 8] ^= 1u << (bit % 8);
		if (shm_header_check(&copy, header->total_size, &error) == 0 && bit / 8 != offsetof(struct sl_shm_header, abi_minor)) {
			fprintf(stderr, "bit %zu of the header may be wrong\n", bit);
			wrong++;
		}
	}
	return wrong;
}

int main(int argc, char **argv)
{
	const uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	const unsigned int rounds = argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 0) : 80;
	unsigned int wrong = 0, rejected = 0, bad = 0, good = 0;
	const struct sl_shm_header header = world_header(42);

	wrong += (unsigned int)flip_header(&header);
	for (unsigned int round = 0; round < rounds; round++) {
		struct flip flip = { .header = header, .random = (seed + round) * 0x9e3779b97f4a7c15ull | 1 };

		if (start(&flip) < 0)
			return 2;
		if (flip_rings(&flip) < 0) {
			fprintf(stderr, "round %u of seed %llu\n", round, (unsigned long long)seed);
			wrong++;
		}
		wrong += flip.wrong;
		rejected += flip.rejected;
		bad += flip.bad_images;
		good += flip.good_images;
		publisher_destroy(flip.publisher);
		feed_destroy(flip.feed);
		munmap(flip.base, flip.header.total_size);
	}
	printf("%u flips, %u rejections, images: %u whole, %u refused; %u wrong\n", rounds * TURNS, rejected, good, bad, wrong);
	return wrong > 0 || rejected == 0 || bad == 0 || good == 0;
}
