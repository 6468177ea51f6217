#ifndef SIM_GROW_H
#define SIM_GROW_H

/* Memory of the simulator. It is a tool for a desk: when there is none left it says so and ends. */

#include <stddef.h>

/* n zeroed items. */
void *grow_new(size_t n, size_t size);

/* An array with room for at least `n` items: `items` itself, or moved and doubled; the new ones are
 * not cleared. */
void *grow(void *items, size_t *capacity, size_t n, size_t size);

#endif
