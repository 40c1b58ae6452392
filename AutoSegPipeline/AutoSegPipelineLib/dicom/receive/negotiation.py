"""A-ASSOCIATE: what a peer proposes, and our answers, in pynetdicom's classes."""

from __future__ import annotations

from dataclasses import dataclass

from .offered import chosen_syntax

# What dcmtk sends at most; fewer and longer PDUs cost both sides less.
LONGEST_PDU = 131072
ACCEPTED, NO_SUCH_CLASS, NO_SUCH_SYNTAX = 0, 3, 4
RELEASED = b"\x06\x00\x00\x00\x00\x04\x00\x00\x00\x00"


@dataclass(frozen=True)
class Context:
    """A presentation context with the transfer syntax and the result that we answer."""

    number: int
    sop_class: str
    syntax: str
    result: int


@dataclass(frozen=True)
class Proposal:
    """An A-ASSOCIATE-RQ; titles are without padding."""

    calling: str
    called: str
    contexts: tuple[Context, ...]

    @property
    def accepted(self) -> dict[int, Context]:
        """The contexts that we take, by number."""
        return {one.number: one for one in self.contexts if one.result == ACCEPTED}


def read_proposal(pdu: bytes) -> Proposal:
    """The proposal in a complete PDU; raises ValueError."""
    from pynetdicom.pdu import A_ASSOCIATE_RQ

    request = A_ASSOCIATE_RQ()
    try:
        request.decode(pdu)
        primitive = request.to_primitive()
        proposed = [
            (int(one.context_id or 0), str(one.abstract_syntax), [str(name) for name in one.transfer_syntax])
            for one in primitive.presentation_context_definition_list
        ]
        titles = str(primitive.calling_ae_title).strip(), str(primitive.called_ae_title).strip()
    except Exception as error:  # damaged bytes fail in it in many ways
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return Proposal(*titles, tuple(_answered(*one) for one in proposed))


def _answered(number: int, sop_class: str, syntaxes: list[str]) -> Context:
    found = chosen_syntax(sop_class, syntaxes)
    if found:
        return Context(number, sop_class, found, ACCEPTED)
    result = NO_SUCH_CLASS if found is None else NO_SUCH_SYNTAX
    return Context(number, sop_class, syntaxes[0] if syntaxes else "1.2.840.10008.1.2", result)


def accepting(proposal: Proposal) -> bytes:
    """The A-ASSOCIATE-AC."""
    from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION
    from pynetdicom.pdu import A_ASSOCIATE_AC
    from pynetdicom.pdu_primitives import (
        A_ASSOCIATE,
        ImplementationClassUIDNotification,
        ImplementationVersionNameNotification,
        MaximumLengthNotification,
    )
    from pynetdicom.presentation import PresentationContext

    longest = MaximumLengthNotification()
    longest.maximum_length_received = LONGEST_PDU
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = PYNETDICOM_IMPLEMENTATION_UID
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = PYNETDICOM_IMPLEMENTATION_VERSION
    answers = []
    for one in proposal.contexts:
        answer = PresentationContext()
        answer.context_id = one.number
        answer.abstract_syntax = one.sop_class
        answer.transfer_syntax = [one.syntax]
        answer.result = one.result
        answers.append(answer)
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title = proposal.calling
    primitive.called_ae_title = proposal.called
    primitive.result = 0
    primitive.result_source = 1
    primitive.presentation_context_definition_results_list = answers
    primitive.user_information = [longest, implementation, version]
    return bytes(A_ASSOCIATE_AC(primitive).encode())


def rejecting(codes: tuple[int, int, int]) -> bytes:
    """The A-ASSOCIATE-RJ with result, source and reason."""
    return b"\x03\x00\x00\x00\x00\x04\x00" + bytes(codes)


def aborting(reason: int) -> bytes:
    """The A-ABORT of a provider (PS3.8, 9.3.8)."""
    return b"\x07\x00\x00\x00\x00\x04\x00\x00\x02" + bytes((reason,))
