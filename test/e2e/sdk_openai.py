"""Calls Tollgate by OpenAI's own client for Python, unchanged.

Reads BASE_URL, API_KEY, SPENT_KEY (of a user with no quota left). Prints one JSON line for each case: its
name and what the client returned or raised. It judges nothing; sdk-openai-python.test.ts does.
"""

import json
import os
import time

from openai import APIError, OpenAI
from pydantic import BaseModel

BASE_URL, API_KEY, SPENT_KEY = (os.environ[name] for name in ("BASE_URL", "API_KEY", "SPENT_KEY"))
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}

client = OpenAI(base_url=BASE_URL, api_key=API_KEY)


class Person(BaseModel):
    name: str
    age: int


def ask(prompt, **more):
    messages = [{"role": "user", "content": prompt}]
    return {"model": "sim-chat", "max_tokens": 40, "messages": messages, **more}


def chat():
    answer = client.chat.completions.create(**ask("Why is the sky blue?", n=2))
    return {
        "id": answer.id,
        "request_id": answer._request_id,
        "texts": [choice.message.content for choice in answer.choices],
        "tokens": answer.usage.total_tokens,
        "receipt": answer.model_extra["tollgate"],
    }


def tools():
    answer = client.chat.completions.create(**ask("Weather? [[sim:tool]]", tools=[WEATHER]))
    message = answer.choices[0].message
    (call,) = message.tool_calls
    return {
        "content": message.content,
        "finish_reason": answer.choices[0].finish_reason,
        "name": call.function.name,
        "arguments": json.loads(call.function.arguments),
    }


def parsed():
    answer = client.chat.completions.parse(
        **ask("Who is it?", max_tokens=200), response_format=Person
    )
    return answer.choices[0].message.parsed.model_dump()


def embeddings():
    wish = {"model": "sim-embeddings", "input": ["a bridge", "a river"], "dimensions": 64}
    by_default = client.embeddings.create(**wish)
    numbers = client.embeddings.create(**wish, encoding_format="float")
    return {
        "lengths": [len(item.embedding) for item in by_default.data],
        "difference": max(
            abs(one - other)
            for item, same in zip(by_default.data, numbers.data)
            for one, other in zip(item.embedding, same.embedding)
        ),
    }


def models():
    return {
        "ids": [model.id for model in client.models.list()],
        "one": client.models.retrieve("sim-chat").id,
    }


def slow():
    """Takes longer than the client waits: it calls again by itself."""
    answer = client.with_options(timeout=5).chat.completions.create(
        **ask("slow [[sim:slow:6500]]")
    )
    return {"request_id": answer._request_id, "text": answer.choices[0].message.content}


def stream():
    text, roles, usage = "", [], None
    for chunk in client.chat.completions.create(
        **ask("Stream it"), stream=True, stream_options={"include_usage": True}
    ):
        for choice in chunk.choices:
            text += choice.delta.content or ""
            roles += [choice.delta.role] if choice.delta.role else []
        usage = chunk.usage or usage
    return {"text": text, "roles": roles, "tokens": usage.total_tokens}


def stream_helper():
    with client.chat.completions.stream(**ask("Stream two", n=2, max_tokens=200)) as events:
        kinds = {event.type for event in events}
        final = events.get_final_completion()
    return {
        "kinds": sorted(kinds),
        "roles": [choice.message.role for choice in final.choices],
        "texts": [choice.message.content for choice in final.choices],
    }


def stream_tools():
    with client.chat.completions.stream(
        **ask("Weather? [[sim:tool:2]]", tools=[WEATHER])
    ) as events:
        for _ in events:
            pass
        calls = events.get_final_completion().choices[0].message.tool_calls
    return {
        "names": [call.function.name for call in calls],
        "ids": [call.id for call in calls],
        "arguments": [json.loads(call.function.arguments) for call in calls],
    }


def raising(act):
    """What the client raises, and how often it called."""
    calls = []
    watched = lambda other: other._client.event_hooks["request"].append(calls.append)  # noqa: E731
    started = time.monotonic()
    try:
        act(watched)
    except APIError as error:
        return {
            "class": type(error).__name__,
            "message": error.message,
            "code": error.code,
            "type": error.type,
            "param": error.param,
            "calls": len(calls),
            "seconds": time.monotonic() - started,
        }
    return {"class": None}


def calling(key, **more):
    def act(watched):
        other = OpenAI(base_url=BASE_URL, api_key=key)
        watched(other)
        other.chat.completions.create(**ask("hello", **more))

    return act


CASES = {
    "chat": chat,
    "tools": tools,
    "parsed": parsed,
    "embeddings": embeddings,
    "models": models,
    "slow": slow,
    "stream": stream,
    "stream_helper": stream_helper,
    "stream_tools": stream_tools,
    "wrong_key": lambda: raising(calling("tg_wrong")),
    "unknown_model": lambda: raising(calling(API_KEY, model="gpt-none")),
    "bad_field": lambda: raising(calling(API_KEY, n=0)),
    "spent_quota": lambda: raising(calling(SPENT_KEY)),
    "model_fails": lambda: raising(
        calling(API_KEY, messages=[{"role": "user", "content": "[[sim:422]]"}])
    ),
}

for name, case in CASES.items():
    try:
        result = case()
    except Exception as error:  # It is for the test to say what must not be raised.
        result = {"raised": repr(error)}
    print(json.dumps({"case": name, **result}), flush=True)
