# SPDX-License-Identifier: GPL-2.0-only
"""The list of mutants: reads scripts/mutants-list, and weaves it into the source.

A mutant is a defect that a tired engineer could have made, and that a test has to
notice. scripts/mutants-list/PATH.mutants has those of drivers/iommu/iommufd/PATH:

    mutant unmap-without-flush
    kind: flush
    breaks: devices reach memory that somebody else has by now
    test: mock_maps_test mock.counts_flushes_of_the_iotlb
    @@
     	iommu_iotlb_gather_init(&gather);
    -	iommu_iotlb_sync(follower->domain, &gather);

Below each @@ is a piece of the source as in a patch: lines that stay (a space in
front), go (-) and come (+). All that stays and goes has to be in the file, in one
piece, exactly once. Each "test:" is a test program with a fixture, a test of it, or
nothing behind it; or "kunit SUITE"; or "kmemleak", which looks for leaks after the
tests before it. One of them has to fail. "equivalent: REASON" instead says why no
test can; "seconds: N" how long a test may take, if not a minute. "vm:" is for tests that
take another VM: "arm64"; "noiommu", without an IOMMU; "unsafe", with one that lets devices
make any interrupt; "dmabuf", with devices whose memory comes and goes; "unpatched", for a
kernel without patches/.

All mutants are in one kernel, and a parameter of iommufd switches one of them on.
What changes must therefore be whole statements, other than declarations; or the
condition of an if or a while; or what is assigned. Anything else needs
`backquotes` in the old line around the expression that changes, with the new line the
same outside of them. What can be none of these, such as a table, says "build: own".
A guard() that is missing is one of iommufd_no_mutex or iommufd_no_rwsem.
"""

import pathlib
import re
import zlib

FOLDER = pathlib.Path(__file__).resolve().parent / "mutants-list"
SOURCE = pathlib.Path("drivers/iommu/iommufd")
KINDS = {"flush", "lock", "unwind", "count", "bound", "flag", "errno", "charge", "wake-up"}
VARIABLE = "iommufd_mutant"
# Where the variable is: in a file that is built in whenever any is
HOME = SOURCE / "main.c"
DEFINITION = f"""
unsigned int {VARIABLE};
DEFINE_MUTEX(iommufd_no_mutex);
DECLARE_RWSEM(iommufd_no_rwsem);
module_param_named(mutant, {VARIABLE}, uint, 0600);
MODULE_PARM_DESC(mutant, "number of the defect that is switched on");
"""
# For guard(), which cannot be left out
NO_LOCKS = """#include <linux/mutex.h>
#include <linux/rwsem.h>
extern struct mutex iommufd_no_mutex;
extern struct rw_semaphore iommufd_no_rwsem;
"""

# What may stand around an expression that changes
AROUND = [re.compile(pattern, re.DOTALL) for pattern in (
    r"(\s*(?:(?:\} )?else )?(?:if|while) \()(.*)(\)(?: \{)?\s*)",
    r"(\s*\} while \()(.*)(\);\s*)",
    r"(\s*\.?[\w \t*>.\[\]-]*\w\]? (?:[-+|&]?=) )([^=].*)([;,]\s*)",
)]


def bare(text):
    return text.replace("`", "")


class ListError(Exception):
    """Something is wrong with an entry."""


class Change:
    """Lines that go and come, at a place in a file."""

    def __init__(self, start, old, new):
        self.start = start
        self.old = old
        self.new = new


class Mutant:
    def __init__(self, path, name, line):
        self.path = path
        self.name = name
        self.line = line
        self.number = 0
        # What switches it on: the same when others come or go, so that little is built.
        self.switch = zlib.crc32(name.encode())
        self.fields = {}
        self.tests = []
        self.hunks = []

    def __getattr__(self, name):
        return self.fields.get(name, "")

    def where(self):
        return f"mutants-list/{self.path}.mutants:{self.line}: {self.name}"

    def text(self):
        hunks = "".join("".join(hunk) for hunk in self.hunks)
        return f"{self.path} {self.name} {self.fields} {self.tests} {hunks}"

    def check(self):
        if self.kind not in KINDS:
            raise ListError(f"{self.where()}: kind is none of {' '.join(sorted(KINDS))}")
        if not self.breaks:
            raise ListError(f"{self.where()}: what does it break?")
        if bool(self.tests) == bool(self.equivalent):
            raise ListError(f"{self.where()}: either tests or why it is equivalent")

    def changes(self, source):
        """What it changes in the file, a list of Change."""
        changes = []
        if not self.hunks:
            raise ListError(f"{self.where()}: changes nothing")
        for hunk in self.hunks:
            old = bare("".join(line[1:] for line in hunk if line[0] in " -"))
            # whole lines
            found = ("\n" + source).count("\n" + old)
            if found != 1:
                raise ListError(f"{self.where()}: its text is there {found} times")
            changes += self._groups(hunk, ("\n" + source).index("\n" + old))
        return changes

    @staticmethod
    def _groups(hunk, place):
        """The runs of lines that change, and where each begins."""
        groups, group = [], None
        for line in hunk:
            if line[0] == " ":
                group = None
            elif group is None:
                group = Change(place, "", "")
                groups.append(group)
            if line[0] == "+":
                group.new += line[1:]
            else:
                place += len(bare(line)) - 1
                if line[0] == "-":
                    group.old += line[1:]
        return groups


def read_file(path, name):
    mutants, mutant, hunk = [], None, None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(True), 1):
        if line.startswith("mutant "):
            mutant, hunk = Mutant(name, line.split()[1], number), None
            mutants.append(mutant)
        elif line.startswith("@@") and mutant:
            hunk = []
            mutant.hunks.append(hunk)
        elif hunk is not None and line[0] in " -+":
            hunk.append(line)
        elif line.startswith("#") or not line.strip():
            continue
        elif mutant and hunk is None and ":" in line:
            key, value = (part.strip() for part in line.split(":", 1))
            if key == "test":
                mutant.tests.append(value)
            elif key in ("kind", "breaks", "equivalent", "build", "seconds", "vm"):
                mutant.fields[key] = value
            else:
                raise ListError(f"{path}:{number}: what is {key}?")
        else:
            raise ListError(f"{path}:{number}: neither a field nor a line of a patch")
    return mutants


def read():
    """All mutants, in the order of their numbers."""
    mutants = []
    for path in sorted(FOLDER.glob("**/*.mutants")):
        mutants += read_file(path, str(path.relative_to(FOLDER))[:-len(".mutants")])
    names = set()
    for number, mutant in enumerate(mutants, 1):
        mutant.number = number
        mutant.check()
        if mutant.name in names:
            raise ListError(f"{mutant.where()}: there is another one of that name")
        names.add(mutant.name)
    return mutants


class Edit:
    """One place in a file and what mutants make of it: statements or an expression."""

    def __init__(self, mutant, start, old, new, is_statement, cast=""):
        self.mutant = mutant
        self.start = start
        self.end = start + len(old)
        self.old = old
        self.new = new
        self.is_statement = is_statement
        # For both ways of an expression to be of one type
        self.cast = cast


def _expression(mutant, change):
    """The edit if just an expression changes, else None."""
    old, new = change.old, change.new
    if "`" in old:
        new = bare(new)
        before, inner, after = old.split("`")
        if not new.startswith(before) or not new.endswith(after):
            raise ListError(f"{mutant.where()}: more than what is in backquotes changes")
        changed = new[len(before):len(new) - len(after)]
        return Edit(mutant, change.start + len(before), inner, changed, False)
    for pattern in AROUND:
        one, two = pattern.fullmatch(old), pattern.fullmatch(new)
        if one and two and one[1] == two[1] and one[3].strip() == two[3].strip() and \
                ";" not in one[2] + two[2]:
            return Edit(mutant, change.start + len(one[1]), one[2], two[2], False,
                        "!!" if re.search(r"(if|while) \($", one[1]) else "")
    return None


# What may be in front of a statement
BEFORE = re.compile(r"(?:^|[;{}:)]|\*/|\belse|\bdo|^#.*)\s*$", re.MULTILINE)


def _edit(mutant, change, source):
    edit = _expression(mutant, change)
    if edit:
        return edit
    if not BEFORE.search(source[:change.start].rstrip()):
        raise ListError(f"{mutant.where()}: begins within a statement; use backquotes")
    for text in (change.old, change.new):
        if text.strip() and text.strip()[-1] not in ";}" or \
                any(text.count(left) != text.count(right) for left, right in ("{}", "()")):
            raise ListError(f"{mutant.where()}: neither whole statements nor an expression")
    # It would end with the braces that are put around it, with the mutant and without.
    if re.search(r"^\s*guard\(", change.old, re.MULTILINE):
        raise ListError(f"{mutant.where()}: change the lock that guard() takes")
    old = change.old.strip()
    start = change.start + (len(change.old) - len(change.old.lstrip()) if old else 0)
    return Edit(mutant, start, old, change.new.strip(), True)


def edits_of(mutant, source):
    return [_edit(mutant, change, source) for change in mutant.changes(source)]


def _render(source, start, end, edits):
    """The text of [start, end) with all edits, which are nested or apart."""
    out, place = [], start
    edits = sorted(edits, key=lambda edit: (edit.start, -edit.end))
    while edits:
        first = edits[0]
        same = [edit for edit in edits if (edit.start, edit.end) == (first.start, first.end)]
        inside = [edit for edit in edits
                  if edit not in same and edit.start < first.end]
        for edit in inside:
            if edit.end > first.end:
                raise ListError(f"{edit.mutant.where()}: overlaps {first.mutant.name}; "
                                "let one change more lines or less")
        out.append(source[place:first.start])
        out.append(_choice(same, _render(source, first.start, first.end, inside)))
        place = first.end
        edits = [edit for edit in edits if edit not in same and edit not in inside]
    out.append(source[place:end])
    return "".join(out)


def _choice(edits, old):
    """Old code, or that of one of the edits of the same place."""
    if edits[0].is_statement:
        ways = [f"if ({VARIABLE} == {edit.mutant.switch}u) {{ {edit.new} }} else "
                for edit in edits]
        # In braces, as there may be an if around it that has an else
        return "{ " + "".join(ways) + f"{{ {old} }} }}" + ("\n" if not edits[0].old else "")
    ways = [f"{VARIABLE} == {edit.mutant.switch}u ? {edit.cast}({edit.new}) : "
            for edit in edits]
    return "(" + "".join(ways) + f"{edits[0].cast}({old}))"


TEST = re.compile(r"^TEST_F(?:_TIMEOUT|_SIGNAL)?\(\s*(\w+),\s*(\w+)|"
                  r"^TEST(?:_TIMEOUT|_SIGNAL)?\(\s*(\w+)", re.MULTILINE)
SUITE = re.compile(r"struct kunit_suite \w+ = \{\s*\.name = \"(\w+)\"")


def files_of_tests(root):
    """The files of all test programs and KUnit suites, by their names."""
    root = pathlib.Path(root)
    files = {path.stem: path
             for path in (root / "tools/testing/selftests/iommufd").glob("*_test.c")}
    for path in (root / SOURCE).glob("**/*_kunit.c"):
        for suite in SUITE.findall(path.read_text(encoding="utf-8")):
            files[suite] = path
    return files


def tests_there_are(root):
    """All that "test:" may name, without "kunit " in front of suites."""
    names = {"kmemleak"}
    for name, path in files_of_tests(root).items():
        names.add(name)
        for fixture, test, alone in TEST.findall(path.read_text(encoding="utf-8")):
            fixture, test = fixture or "global", test or alone
            names |= {f"{name} {fixture}", f"{name} {fixture}.{test}"}
    return names


def check(root, mutants):
    """Errors of all entries that do not apply to the source, as lines."""
    there = tests_there_are(root)
    for mutant in mutants:
        for test in mutant.tests:
            if test.removeprefix("kunit ") not in there:
                yield f"{mutant.where()}: there is no test {test}"
    for path, group in by_path(mutants):
        try:
            weave_file(root, path, group, None)
        except ListError:
            yield from _errors_one_by_one(root, path, group)


def _errors_one_by_one(root, path, group):
    failed = False
    for mutant in group:
        try:
            weave_file(root, path, [mutant], None)
        except ListError as error:
            failed = True
            yield str(error)
    if not failed:
        try:
            weave_file(root, path, group, None)
        except ListError as error:
            yield str(error)


def by_path(mutants):
    paths = {}
    for mutant in mutants:
        paths.setdefault(mutant.path, []).append(mutant)
    return paths.items()


def _apply(mutant, source):
    """The source with a mutant that has a build of its own."""
    for change in reversed(mutant.changes(source)):
        end = change.start + len(bare(change.old))
        source = source[:change.start] + bare(change.new) + source[end:]
    return source


def weave_file(root, path, mutants, own):
    """The text of a file with all mutants of it, of which @own is on for good."""
    try:
        source = (pathlib.Path(root) / SOURCE / path).read_text(encoding="utf-8")
    except OSError as error:
        raise ListError(f"{mutants[0].where()}: {error}") from error
    edits = []
    for mutant in mutants:
        if mutant.build == "own":
            mutant.changes(source)
            if mutant.name == own:
                return _apply(mutant, source)
        else:
            edits += edits_of(mutant, source)
    text = f"extern unsigned int {VARIABLE};\n" + _render(source, 0, len(source), edits)
    return (NO_LOCKS if "iommufd_no_" in text else "") + text


def weave(root, own):
    """Put all mutants into a tree."""
    root = pathlib.Path(root)
    for path, group in by_path(read()):
        (root / SOURCE / path).write_text(weave_file(root, path, group, own), encoding="utf-8")
    with open(root / HOME, "a", encoding="utf-8") as file:
        file.write(DEFINITION)
