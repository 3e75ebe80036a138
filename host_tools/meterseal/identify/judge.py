"""One profile against one meter: what speaks for it and what against it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from meterseal.decode import decode, identity_text, scale_factor_of, signed_value
from meterseal.errors import ProfileError
from meterseal.identify.checks import Reason, Values, plausible, step_milli
from meterseal.identify.course import PowerCourse, energy_moves
from meterseal.profiles import Profile, Register
from meterseal.profiles.sunspec import locate

# function, address, count -> words, exception code, or None for no answer.
Read = Callable[[int, int, int], list[int] | int | None]
# Absent on some units of a family, as their profiles say: no reason against it.
_OPTIONAL = ("energy_export", "energy_sum", "power_l", "energy_import_l", "power_factor")


@dataclass
class Judgement:
    """What was found about one profile. `verdict`: fits, possible or no."""

    profile: Profile
    reasons: list[Reason] = field(default_factory=list)
    identity: dict[str, str] = field(default_factory=dict)
    setup: dict[str, int] = field(default_factory=dict)
    values: Values = field(default_factory=dict)
    energy_at_s: float = 0.0
    powers: list[tuple[float, int]] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """Whether something says that it cannot be this profile."""
        return any(reason.against for reason in self.reasons)

    @property
    def verdict(self) -> str:
        """`no`, `fits` (the model register or the counter confirms it) or `possible`."""
        if self.refused:
            return "no"
        codes = {reason.code for reason in self.reasons}
        return "fits" if codes & {"identity-fits", "maker-fits", "energy-fits"} else "possible"

    @property
    def evidence(self) -> tuple[int, int, int]:
        """How much speaks for it: confirmations, values obtained, identity registers read."""
        confirmed = sum(reason.code.endswith("-fits") for reason in self.reasons)
        return confirmed, len(self.values), len(self.identity)


def first_look(profile: Profile, read: Read, clock_s: Callable[[], float]) -> Judgement:
    """Identity, settings and one set of values; stops at the first reason against the profile."""
    judgement = Judgement(profile)
    for step in (_find_block, _read_identity, _read_setup):
        step(judgement, read)
        if judgement.refused:
            return judgement
    judgement.energy_at_s = clock_s()
    _read_values(judgement, read)
    if not judgement.refused:
        _check_values(judgement)
    return judgement


def watch(judgement: Judgement, read: Read, clock_s: Callable[[], float]) -> None:
    """Note the power once; call it from time to time between the two looks.

    Power that flows back does not count: it is not the import counter that it moves.
    """
    register = judgement.profile.registers.get("power_w")
    milliwatts = None if register is None else _value(judgement, register, read)
    if milliwatts is not None:
        judgement.powers.append((clock_s(), max(0, milliwatts)))


def second_look(judgement: Judgement, read: Read, clock_s: Callable[[], float]) -> None:
    """Read the counter again and compare its movement with the power meanwhile."""
    total = judgement.profile.total
    before, after = judgement.values.get(total.name), _value(judgement, total, read)
    if before is None or after is None or not judgement.powers:
        text = "no energy or no power to compare"
        judgement.reasons.append(Reason("energy-unchecked", text))
        return
    course = PowerCourse(judgement.energy_at_s, clock_s(), tuple(judgement.powers))
    step = step_milli(total, after, judgement.setup.get(total.sf or "", 0))
    judgement.reasons.append(energy_moves(after - before, course, step))


def _against(judgement: Judgement, code: str, text: str) -> None:
    judgement.reasons.append(Reason(code, text, against=True))


def _find_block(judgement: Judgement, read: Read) -> None:
    """A SunSpec profile is moved to where this meter keeps its block."""
    if judgement.profile.sunspec is None:
        return

    def read_words(address: int, count: int) -> list[int] | None:
        words = read(3, address, count)
        return words if isinstance(words, list) else None

    found = locate(judgement.profile, read_words)
    if found is None:
        model = judgement.profile.sunspec.model
        _against(judgement, "not-sunspec", f"no SunSpec block of model {model} found")
        return
    judgement.profile = found


def _read_identity(judgement: Judgement, read: Read) -> None:
    for register in judgement.profile.identity.values():
        words = read(register.function, register.address, register.count)
        if not isinstance(words, list):
            continue
        shown = judgement.identity[register.name] = identity_text(register, words)
        maker = judgement.profile.maker.split()[0]
        if register.name == "manufacturer" and maker.casefold() in shown.casefold():
            judgement.reasons.append(Reason("maker-fits", f"the meter says it is from {shown}"))
        _expected(judgement, register, words, "identity")


def _read_setup(judgement: Judgement, read: Read) -> None:
    for register in judgement.profile.setup.values():
        words = read(register.function, register.address, register.count)
        if not isinstance(words, list):
            continue
        if register.name.endswith("_sf"):
            _scale_factor(judgement, register, words)
        else:
            judgement.setup[register.name] = signed_value(register, words)
            _expected(judgement, register, words, "setup")


def _scale_factor(judgement: Judgement, register: Register, words: list[int]) -> None:
    try:
        judgement.setup[register.name] = scale_factor_of(words)
    except ProfileError as problem:
        judgement.reasons.append(Reason(problem.code, f"{register.name}: {problem.text}"))


def _expected(judgement: Judgement, register: Register, words: list[int], what: str) -> None:
    if not register.expect:
        return
    found = signed_value(register, words)
    place = f"{register.name} (register {register.address:#06x})"
    if found in register.expect:
        judgement.reasons.append(Reason(f"{what}-fits", f"{place} holds {found}"))
        return
    shown = ", ".join(str(value) for value in register.expect[:6])
    _against(judgement, f"{what}-mismatch", f"{place} holds {found}, expected {shown}")


def _read_values(judgement: Judgement, read: Read) -> None:
    registers = judgement.profile.registers.values()
    # The total first: the time from here to the second look is what its movement is judged by.
    for register in sorted(registers, key=lambda r: (not r.total, not r.name.startswith("volt"))):
        _value(judgement, register, read)
        if judgement.refused:
            return


def _value(judgement: Judgement, register: Register, read: Read) -> int | None:
    """Decoded value; what the meter refuses speaks against the profile unless it is optional."""
    answer = read(register.function, register.address, register.count)
    if not isinstance(answer, list):
        said = "did not answer" if answer is None else f"refused with exception {answer}"
        text = f"{register.name} (function {register.function}, {register.address:#06x}) {said}"
        optional = register.name.startswith(_OPTIONAL) and not register.total
        judgement.reasons.append(Reason("register-refused", text, against=not optional))
        return None
    if register.sf is not None and register.sf not in judgement.setup:
        judgement.values[register.name] = None
        return None
    value = decode(register, answer, judgement.setup.get(register.sf or ""))
    judgement.values.setdefault(register.name, value)
    return value


def _check_values(judgement: Judgement) -> None:
    judgement.reasons.extend(plausible(judgement.values))
    energy = judgement.values.get(judgement.profile.total.name)
    if energy is None:
        _against(judgement, "energy-missing", "the meter says that it has no energy value")
    elif energy < 0:
        _against(judgement, "energy-negative", f"energy reads {energy / 1000:.0f} Wh")
