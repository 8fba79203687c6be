/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random numbers that are the same on every machine: everything that is drawn follows from the printed seed.
 */
#ifndef TESTS_CONFORMANCE_EQUAL_DICE_H
#define TESTS_CONFORMANCE_EQUAL_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
	uint64_t state;
};

/* SplitMix64. */
static inline uint64_t dice_next(struct dice *dice)
{
	uint64_t z = dice->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* 0 to `count` - 1. */
static inline uint32_t dice_below(struct dice *dice, uint32_t count)
{
	return (uint32_t)((dice_next(dice) >> 32) * count >> 32);
}

static inline bool dice_percent(struct dice *dice, uint32_t percent)
{
	return dice_below(dice, 100) < percent;
}

#define DICE_PICK(dice, array) ((array)[dice_below(dice, sizeof(array) / sizeof(*(array)))])

#endif
