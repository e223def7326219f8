/**
 * Parameters that callers may give unless a model says otherwise: how to sample, and the form of the answer.
 * None of them reaches beyond the caller's own request. Not here are those that turn to other places
 * (`api_base`), push others aside (`priority`, `service_tier`), cost or show more than was estimated
 * (`ignore_eos`, `prompt_logprobs`, `web_search_options`, `audio`), or run as a program (`chat_template`).
 */
export const ALLOWED_PARAMETERS: string[] = [
  // OpenAI's.
  "temperature",
  "top_p",
  "stop",
  "seed",
  "presence_penalty",
  "frequency_penalty",
  "logit_bias",
  "logprobs",
  "top_logprobs",
  "tools",
  "tool_choice",
  "parallel_tool_calls",
  "functions",
  "function_call",
  "response_format",
  "reasoning_effort",
  "verbosity",
  "modalities",
  "prediction",
  "user",
  "safety_identifier",
  "prompt_cache_key",
  "dimensions",
  "encoding_format",
  // What vLLM, SGLang, TGI and Ollama add.
  "top_k",
  "min_p",
  "typical_p",
  "repetition_penalty",
  "length_penalty",
  "min_tokens",
  "stop_token_ids",
  "include_stop_str_in_output",
  "skip_special_tokens",
  "bad_words",
  "include_reasoning",
  "chat_template_kwargs",
  "guided_json",
  "guided_regex",
  "guided_choice",
  "guided_grammar",
  "structured_outputs",
];
