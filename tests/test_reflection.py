"""What tests keep of Beam's reflection is what Beam finds out."""

import apache_beam as beam
from apache_beam.transforms import core

from tests import reflection


class Marked(beam.DoFn):
    """Methods with parameters of Beam's, of its own, and of its base."""

    def process(self, element, *more, window=beam.DoFn.WindowParam, size=3, **others):  # noqa: ARG002 - looked at, not called
        yield element

    def finish_bundle(self):
        yield from ()


def looked(dofn, look):
    methods = (getattr(dofn, name) for name in dir(dofn))
    return [look(method) for method in methods if callable(method) and not isinstance(method, type)]


def test_the_answers_are_beams():
    kept, beams = core.get_function_args_defaults, core.get_function_args_defaults.look
    assert kept.__module__ == reflection.__name__
    for dofn in (Marked(), Marked(), beam.Map(str).dofn, beam.Filter(lambda x, y=2: x + y).fn):
        assert looked(dofn, kept) == looked(dofn, beams) == looked(dofn, kept)


def test_a_method_is_looked_at_once_and_its_answer_cannot_be_spoilt():
    asked = []

    def look(function):
        asked.append(function.__name__)
        return ["element"], [3]

    keeping = reflection.remembering(look)
    keeping(Marked().process)[0].append("other")
    assert keeping(Marked().process) == (["element"], [3])
    assert asked == ["process"]
    keeping(str.strip)
    keeping(str.strip)
    assert asked == ["process", "strip", "strip"]
