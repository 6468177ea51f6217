#include "profile.h"

#include <stddef.h>
#include <string.h>

static const struct profile profiles[] = {
    {
        .version = "0.5.7",
        .default_num_ctx = 2048,
        .default_slots = 4,
        .load_listed = true,
        .half_second_is_zero = true,
    },
    {
        .version = "0.9.6",
        .default_num_ctx = 4096,
        .default_slots = 2,
        .head_version = true,
        .wrong_method_405 = true,
        .show_capabilities = true,
        .thinking = true,
        .load_listed = true,
        .half_second_is_zero = true,
    },
    {
        .version = "0.11.4",
        .default_num_ctx = 4096,
        .default_slots = 1,
        .head_version = true,
        .wrong_method_405 = true,
        .show_capabilities = true,
        .thinking = true,
        .ps_context_length = true,
        .load_listed = true,
    },
    {
        .version = "0.12.5",
        .default_num_ctx = 4096,
        .default_slots = 1,
        .head_version = true,
        .wrong_method_405 = true,
        .show_capabilities = true,
        .thinking = true,
        .thinks_by_default = true,
        .thinking_quoted = true,
        .ps_context_length = true,
        .fast_path = true,
        .new_engine_listed = true,
        .embed_dimensions = true,
        .done_reason_last = true,
        .last_batch_only = true,
    },
    {
        .version = "0.12.11",
        .default_num_ctx = 4096,
        .default_slots = 1,
        .head_version = true,
        .wrong_method_405 = true,
        .show_capabilities = true,
        .thinking = true,
        .thinks_by_default = true,
        .thinking_quoted = true,
        .ps_context_length = true,
        .fast_path = true,
        .new_engine_listed = true,
        .embed_dimensions = true,
        .done_reason_last = true,
        .real_status = true,
        .tool_call_id = true,
        .logprobs = true,
    },
    {
        .version = "0.24.0",
        .default_num_ctx = 4096,
        .default_slots = 1,
        .head_version = true,
        .wrong_method_405 = true,
        .show_capabilities = true,
        .thinking = true,
        .thinks_by_default = true,
        .thinking_quoted = true,
        .ps_context_length = true,
        .fast_path = true,
        .new_engine_listed = true,
        .embed_dimensions = true,
        .done_reason_last = true,
        .real_status = true,
        .tool_call_id = true,
        .logprobs = true,
    },
    {
        .version = "0.30.0",
        .default_num_ctx = 4096,
        .default_slots = 1,
        .llama_server = true,
        .head_version = true,
        .wrong_method_405 = true,
        .show_capabilities = true,
        .tags_capabilities = true,
        .thinking = true,
        .thinks_by_default = true,
        .thinking_quoted = true,
        .ps_context_length = true,
        .fast_path = true,
        .embed_dimensions = true,
        .done_reason_last = true,
        .real_status = true,
        .tool_call_id = true,
        .logprobs = true,
        .uncached_count = true,
        .shift_reloads = true,
        .name_checked = true,
    },
    {
        .version = "0.32.15",
        .default_num_ctx = 4096,
        .default_slots = 1,
        .llama_server = true,
        .head_version = true,
        .wrong_method_405 = true,
        .show_capabilities = true,
        .tags_capabilities = true,
        .thinking = true,
        .thinks_by_default = true,
        .thinking_quoted = true,
        .ps_context_length = true,
        .fast_path = true,
        .embed_dimensions = true,
        .done_reason_last = true,
        .real_status = true,
        .tool_call_id = true,
        .logprobs = true,
        .shift_reloads = true,
        .name_checked = true,
    },
};

const struct profile *profile_find(const char *version)
{
    for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
        if (strcmp(profiles[i].version, version) == 0)
            return &profiles[i];
    return NULL;
}

const char *profile_names(void)
{
    return "0.5.7 0.9.6 0.11.4 0.12.5 0.12.11 0.24.0 0.30.0 0.32.15";
}

const struct profile *profile_newest(void)
{
    return &profiles[sizeof(profiles) / sizeof(profiles[0]) - 1];
}
