#include <stddef.h>
#include <string.h>

#include "baselines.h"
#include "routed.h"

const struct sim_policy *const policies[] = {
    &routed_late,          &routed_least_conn,     &routed_chwbl,
    &routed_chwbl_prefix,  &routed_first_resident, &baseline_round_robin,
    &baseline_random,      &baseline_p2c,          &baseline_p2c_ewma,
    &baseline_resident_lb, &baseline_cache_aware,  &baseline_blend,
    &baseline_fifo,        &baseline_ect,          NULL,
};

const struct sim_policy *policy_find(const char *name)
{
    for (size_t i = 0; policies[i]; i++) {
        if (strcmp(policies[i]->name, name) == 0)
            return policies[i];
    }
    return NULL;
}
