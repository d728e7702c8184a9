"""The checks that every kind of webhook must pass. Each raises AssertionError for a broken promise."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from schemas.job import Job
from worker.lab.conformance.stage import load
from worker.settings.producers import Producer
from worker.settings.tables import SettingError
from worker.systems.webhook.contract import Call, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from worker.lab.conformance.stage import Case, Json


def _webhook(case: Case, secret: str = "") -> Any:
    account = case.account
    options = case.adapter.Options.model_validate(account.get("options", {}))
    keys = {"kind": case.kind, "secret": secret or account["secret"], "for": account["for"]}
    return case.adapter(account["name"], Producer.model_validate({**keys, "options": options}), 3600)


def _call(scene: Json) -> Call:
    request = scene["request"]
    query = tuple((name, value) for name, value in request.get("query", []))
    return Call(request.get("body", "").encode(), request.get("headers", {}), query, request.get("token", ""))


def _accepted(case: Case) -> list[Json]:
    return [case.scenes["accepted"], *(scene for scene in case.scenes.values() if "jobs" in scene)]


def _refusal(call: Callable[[], object]) -> Refused | None:
    try:
        call()
    except Refused as refused:
        return refused
    return None


def _proof(webhook: Any, call: Call, case: Case) -> Refused | None:
    return _refusal(lambda: webhook.prove(call, case.account["now"]))


def the_recordings_cover_every_case(case: Case) -> None:
    """Require recordings of a call that makes jobs and of a call with an invalid body."""
    assert case.scenes["accepted"]["jobs"]
    assert case.scenes["invalid"]["refused"]["status"] == 400
    assert all(scene["shows"] for scene in case.scenes.values())


def a_recorded_call_makes_its_jobs_or_is_refused(case: Case) -> None:
    assert case.scenes["accepted"]
    for name, scene in case.scenes.items():
        webhook, call = _webhook(case), _call(scene)
        refused = _proof(webhook, call, case) or _refusal(lambda: webhook.jobs(call))  # noqa: B023  # called at once
        if "refused" in scene:
            assert refused is not None, name
            assert {"status": refused.status, "code": refused.code} == scene["refused"]
        else:
            assert (name, refused) == (name, None)
            assert [load(job) for job in webhook.jobs(call)] == scene["jobs"]


def every_job_is_for_a_provider_of_the_producer(case: Case) -> None:
    allowed = {case.account["name"], *case.account["for"]}
    for scene in _accepted(case):
        for text in _webhook(case).jobs(_call(scene)):
            job = Job.model_validate(load(text))
            assert job.provider in allowed
            assert job.external_id or not case.adapter.hints_only


def the_same_call_makes_the_same_jobs(case: Case) -> None:
    for scene in _accepted(case):
        webhook, call = _webhook(case), _call(scene)
        assert webhook.jobs(call) == webhook.jobs(call) == _webhook(case).jobs(call)


def another_secret_is_refused(case: Case) -> None:
    for scene in _accepted(case):
        refused = _proof(_webhook(case, case.account["other_secret"]), _call(scene), case)
        assert getattr(refused, "status", None) == 401


def a_call_without_a_proof_is_refused(case: Case) -> None:
    assert _proof(_webhook(case), Call(), case)
    for scene in _accepted(case):
        call = _call(scene)
        bare = replace(call, headers={}, query=(), token="")
        if bare != call:  # else the proof is in the body
            refused = _proof(_webhook(case), bare, case)
            assert getattr(refused, "status", None) == 401


def a_signature_covers_the_body(case: Case) -> None:
    """Require that a changed body is refused; a kind whose sender only sends a secret may only make hints."""
    if case.adapter.sends_secret:
        assert case.adapter.hints_only
        return
    for scene in _accepted(case):
        old, new = scene["forged"]
        call = _call(scene)
        forged = replace(call, body=call.body.replace(old.encode(), new.encode()))
        assert forged != call
        refused = _proof(_webhook(case), forged, case)
        assert getattr(refused, "status", None) == 401


def any_body_makes_jobs_or_is_refused(case: Case) -> None:
    for scene in _accepted(case):
        for body in _bodies(scene):
            webhook, call = _webhook(case), replace(_call(scene), body=body)
            try:
                refused = _refusal(lambda: webhook.jobs(call))  # noqa: B023  # called at once
            except Exception as error:  # noqa: BLE001  # the check names it
                raise AssertionError(f"jobs raised {type(error).__name__} for a body of {len(body)} bytes") from None
            assert refused is None or 400 <= refused.status < 500


def _bodies(scene: Json) -> Iterator[bytes]:
    yield from (b"", b"0", b"null", b'""', b"{}", b"[]", b"[[]]", b"{", b"\xff\xfe", b"a=b&c", b"[" * 100_000)
    body = scene["request"].get("body", "")
    try:
        values = json.loads(body)
    except ValueError:
        return
    for spoiled in _spoiled(values):
        yield json.dumps(spoiled).encode()


def _spoiled(value: Any) -> Iterator[Any]:
    """Yield the value with one of its parts replaced by another type, once for each part and type."""
    yield from (None, 0, True, "", "\ud800", [], {}, [None], {"": None})
    parts = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    for key, part in parts:
        for other in _spoiled(part):
            copy = value.copy()
            copy[key] = other
            yield copy


def no_refusal_repeats_the_request_or_the_secret(case: Case) -> None:
    private = [case.account["secret"], *case.account["private"]]
    for scene in (case.scenes["accepted"], *case.scenes.values()):
        call = _call(scene)
        bodies = [call.body, " ".join(private).encode(), json.dumps(private).encode(), *_bodies(scene)]
        for body in bodies:
            webhook, changed = _webhook(case), replace(call, body=body)
            proofs = (_proof(webhook, each, case) for each in (changed, Call()))
            for refused in (*proofs, _refusal(lambda: webhook.jobs(changed))):  # noqa: B023  # called at once
                told = f"{refused!r} {refused and (refused.code, refused.reason, refused.headers)}"
                assert [word for word in private if word in told] == []


def it_describes_itself_for_openapi(case: Case) -> None:
    operation = _webhook(case).operation()
    assert operation.keys() == {"parameters", "requestBody"}
    assert all({"name", "in", "schema"} <= parameter.keys() for parameter in operation["parameters"])
    assert operation["requestBody"]["content"]
    assert "accepted" not in case.adapter.answer
    assert json.dumps([operation, dict(case.adapter.answer)])


def a_secret_is_checked_before_the_start(case: Case) -> None:
    for secret in (case.account["secret"], case.account["other_secret"]):
        assert _secret_problem(case, secret) is None
    if case.adapter.sends_secret:
        assert _secret_problem(case, "short") is not None


def _secret_problem(case: Case, secret: str) -> SettingError | None:
    try:
        case.adapter.check_secret(secret)
    except SettingError as error:
        return error
    return None


def its_kind_is_the_name_of_its_module_or_package(case: Case) -> None:
    assert case.adapter.kind == case.kind
    assert case.kind in case.adapter.__module__.split(".")[-2:]
