"""Finds the places of a C++ source where one small change makes a mutant.

Works on tokens, not on a syntax tree: the sources are laid out by clang-format, so a binary operator
has white space on both sides, and a template's angle brackets do not. What does not compile is thrown
out later, so an operator may guess. A mutant never changes the number of lines: __LINE__ in the
messages of contracts stays as it was, and code that does the same compiles to the same bytes.

Not looked at: comments, texts, preprocessor lines, static_assert, PA_ASSERT (it checks, and only in
checked builds), the values that PA_EXPECT prints, attributes, template heads, defaulted functions.
"""

import dataclasses
import re

TOKEN = re.compile(r"""
    (?P<skip>//[^\n]*|/\*.*?\*/|^[ \t]*\#(?:[^\n\\]|\\.|\\\n)*|R"(?P<raw>\w*)\(.*?\)(?P=raw)"|"(?:[^"\\\n]|\\.)*"|
             '(?:[^'\\\n]|\\.)+'|\[\[.*?\]\])
  | (?P<number>0[xX][0-9a-fA-F']+[uUlL]*|(?<![\w.])\d[\d']*(?:\.\d[\d']*)?(?:e[+-]?\d+)?[uUlLf]*)
  | (?P<word>[A-Za-z_]\w*)
  | (?P<punct><=>|<<=|>>=|->|::|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||\+=|-=|\*=|/=|%=|&=|\|=|\^=|\.\.\.|.)
""", re.VERBOSE | re.DOTALL | re.MULTILINE)

RELATIONS = {"<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"),
             "==": ("!=",), "!=": ("==",)}
BINARY = {"Arithmetic": {"+": ("-",), "-": ("+",), "*": ("/",), "/": ("*",), "%": ("/",)},
          "Bitwise": {"&": ("|",), "|": ("&",), "^": ("|",)},
          "Shift": {"<<": (">>",), ">>": ("<<",)},
          "Logical": {"&&": ("||",), "||": ("&&",)},
          "Assignment": {"+=": ("-=",), "-=": ("+=",), "|=": ("&=", "="), "&=": ("|=", "="), "<<=": (">>=",),
                         ">>=": ("<<=",)}}
NAMES = {"CountSwap": {"countr_zero": "countl_zero", "countl_zero": "countr_zero", "countr_one": "countl_one",
                       "countl_one": "countr_one", "bit_floor": "bit_ceil", "bit_ceil": "bit_floor"},
         "MinMax": {"min": "max", "max": "min"},
         "Boolean": {"true": "false", "false": "true"},
         "Neighbour": {"SetRange": "ClearRange", "ClearRange": "SetRange", "ZerosFrom": "ZerosBelow",
                       "ZerosBelow": "ZerosFrom", "begin": "end", "end": "begin", "SetInWord": "ClearInWord",
                       "ClearInWord": "SetInWord", "FreeFrom": "FreeBelow", "FreeBelow": "FreeFrom",
                       "allocated": "scavenged", "scavenged": "allocated"}}
KEYWORDS = set("""alignas auto break case class const constexpr consteval continue default delete do else enum explicit
    extern for friend goto if inline mutable namespace new noexcept operator private protected public requires return
    sizeof static static_assert struct switch template throw try typedef typename union using virtual volatile
    while""".split())
BLOCK_WORDS = set("const noexcept override final else do try mutable".split())


@dataclasses.dataclass(frozen=True)
class Token:
    kind: str
    text: str
    begin: int
    end: int


@dataclasses.dataclass(frozen=True)
class Mutant:
    """The text [begin, end) of a file, replaced."""
    file: str
    operator: str
    begin: int
    end: int
    original: str
    replacement: str
    line: int
    column: int
    occurrence: int  # how many equal changes of an equal line stand above it

    def Id(self):
        return f"{self.file}:{self.line}:{self.column}:{self.operator}:{self.replacement.strip()}"


def Tokens(text):
    return [Token(found.lastgroup, found.group(), found.start(), found.end())
            for found in TOKEN.finditer(text)
            if found.lastgroup not in ("skip", "raw") and not found.group().isspace()]


def Close(tokens, i):
    """Index of the bracket that closes the one at i; None where there is none."""
    pairs = {"(": ")", "[": "]", "{": "}"}
    stack = []
    for j in range(i, len(tokens)):
        if tokens[j].text in pairs:
            stack.append(pairs[tokens[j].text])
        elif stack and tokens[j].text == stack[-1]:
            stack.pop()
            if not stack:
                return j
    return None


def Arguments(tokens, i, close):
    """Pairs [first, limit) of token indices: the arguments between the brackets at i and close."""
    parts, depth, angle, first = [], 0, 0, i + 1
    for j in range(i + 1, close):
        text = tokens[j].text
        if text in "([{":
            depth += 1
        elif text in ")]}":
            depth -= 1
        elif text == "<" and tokens[j - 1].end == tokens[j].begin:
            angle += 1
        elif text == ">" and angle and tokens[j - 1].end == tokens[j].begin:
            angle -= 1
        elif text == "," and depth == 0 and angle == 0:
            parts.append((first, j))
            first = j + 1
    if first < close:
        parts.append((first, close))
    return parts


def ArgumentKind(text):
    """What an argument's text tells of its type; only arguments of one kind change places."""
    if text in ("this", "nullptr") or text.startswith("&"):
        return "address"
    if text in ("counters", "counters_", "kOrder", "lock_", "stderr"):
        return text.rstrip("_")
    return {"[": "lambda", "{": "list", "": "text"}.get(text[:1], "value")


class Source:
    """One file, and where in it a change makes sense."""

    def __init__(self, name, text):
        self.name, self.text, self.tokens = name, text, Tokens(text)
        self.allowed = [True] * len(self.tokens)
        self.code = [False] * len(self.tokens)  # inside a function's body
        self.heads = [False] * len(self.tokens)  # between the brackets of a for
        self.expects = []                       # (begin, end) of the rule of each PA_EXPECT, offsets
        self.found = []
        self.MarkSkipped()
        self.MarkCode()

    def Forbid(self, first, limit):
        for j in range(first, min(limit, len(self.tokens))):
            self.allowed[j] = False

    def MarkSkipped(self):
        tokens = self.tokens
        for i, token in enumerate(tokens[:-1]):
            after = tokens[i + 1].text
            if token.text in ("static_assert", "PA_ASSERT", "alignas", "requires", "noexcept") and after == "(":
                self.Forbid(i, (Close(tokens, i + 1) or i) + 1)
            elif token.text == "PA_EXPECT" and after == "(":
                close = Close(tokens, i + 1)
                comma = next((first - 1 for first, _ in self.MacroArguments(i + 1, close)[1:]), close)
                self.Forbid(comma, close + 1)
                self.expects.append((tokens[i + 2].begin, tokens[comma].begin))  # a text is no token
            elif token.text == "for" and after == "(":
                close = Close(tokens, i + 1)
                self.heads[i + 2:close] = [True] * (close - i - 2)
            elif token.text == "template" and after == "<":
                self.Forbid(i, self.AngleEnd(i + 1))
            elif token.text in ("operator", "using", "friend"):
                limit = i + 2
                while token.text != "operator" and tokens[limit - 1].text not in ";{(":
                    limit += 1
                self.Forbid(i, limit)
            elif token.text == "=" and (after in ("default", "delete") or
                                        after == "0" and tokens[i - 1].text in (")", "const", "override")):
                self.Forbid(i, i + 2)

    def MacroArguments(self, i, close):
        """As the preprocessor cuts them: only round brackets protect a comma."""
        parts, depth, first = [], 0, i + 1
        for j in range(i + 1, close):
            depth += {"(": 1, ")": -1}.get(self.tokens[j].text, 0)
            if self.tokens[j].text == "," and depth == 0:
                parts.append((first, j))
                first = j + 1
        return [*parts, (first, close)]

    def AngleEnd(self, i):
        depth = 0
        for j in range(i, len(self.tokens)):
            depth += {"<": 1, ">": -1, ">>": -2}.get(self.tokens[j].text, 0)
            if depth <= 0:
                return j + 1
        return i

    def MarkCode(self):
        stack, begin = [], 0
        for i, token in enumerate(self.tokens):
            self.code[i] = "code" in stack
            if token.text == "{":
                head = [one.text for one in self.tokens[begin:i]]
                last = head[-1] if head else ""
                if {"namespace", "class", "struct", "union", "enum", "concept"} & set(head) and ")" not in head:
                    stack.append("scope")
                elif (last in (")", "]") or last in BLOCK_WORDS or "->" in head and ")" in head or
                      (not head and "code" in stack)):
                    stack.append("code")
                else:
                    stack.append("value")
            elif token.text == "}" and stack:
                if stack.pop() == "value":
                    continue
            if token.text in "{};" and (not stack or stack[-1] != "value"):
                begin = i + 1

    # --- adding -------------------------------------------------------------------------------------

    def Add(self, operator, first, limit, replacement):
        """Replaces the tokens [first, limit); a PA_EXPECT keeps the rule that it prints."""
        if not all(self.allowed[first:limit]):
            return
        begin, end = self.tokens[first].begin, self.tokens[limit - 1].end
        original = self.text[begin:end]
        if original != replacement:
            replacement += "\n" * (original.count("\n") - replacement.count("\n"))
            self.found.append((begin, end, operator, original, replacement))

    def Text(self, first, limit):
        return self.text[self.tokens[first].begin:self.tokens[limit - 1].end]

    def Spaced(self, i):
        token = self.tokens[i]
        return (self.text[token.begin - 1:token.begin].isspace() and
                self.text[token.end:token.end + 1].isspace())

    # --- the operators ------------------------------------------------------------------------------

    def Tables(self):
        for i, token in enumerate(self.tokens):
            if token.kind == "punct" and self.Spaced(i):
                for replacement in RELATIONS.get(token.text, ()):
                    self.Add("Relation", i, i + 1, replacement)
                for operator, table in BINARY.items():
                    for replacement in table.get(token.text, ()):
                        self.Add(operator, i, i + 1, replacement)
            elif token.text in ("++", "--") and self.code[i]:
                self.Add("Increment", i, i + 1, "--" if token.text == "++" else "++")
            elif token.text == "!" or token.text == "~" and self.code[i]:  # else a destructor
                self.Add("Unary", i, i + 1, "")
            elif token.kind == "word":
                for operator, table in NAMES.items():
                    if token.text in table and self.Used(i):
                        self.Add(operator, i, i + 1, table[token.text])

    def Used(self, i):
        """The word at i stands in an expression, and is not what a declaration names."""
        before, after = self.tokens[i - 1], self.tokens[i + 1]
        if before.kind == "word" and before.text not in KEYWORDS - {"const", "auto", "constexpr"}:
            return False
        if before.text in ("auto", "const", "constexpr", ">", "&", "*") and not self.Spaced(i - 1):
            return False
        return self.code[i] or after.text not in "({;="

    def Constants(self):
        for i, token in enumerate(self.tokens):
            found = re.fullmatch(r"(0[xX])?([0-9a-fA-F']+?)([uUlL]*)", token.text)
            if token.kind != "number" or not found:
                continue
            value = int(found[2].replace("'", ""), 16 if found[1] else 10)
            near = {value + 1, value - 1, 0} if value > 1 else {1 - value, value + 1}
            for other in sorted(near - {value}):
                self.Add("Constant", i, i + 1, (hex(other) if found[1] else str(other)) + found[3])

    def Levels(self):
        for i, token in enumerate(self.tokens[:-1]):
            if token.text not in ("level", "levels") or not self.code[i] or not self.Used(i):
                continue
            if self.tokens[i - 1].text in ("++", "--") or self.tokens[i + 1].text in ("=", "+=", "-=", "++", "("):
                continue
            self.Add("Level", i, i + 1, f"({token.text} + 1)")
            self.Add("Level", i, i + 1, f"({token.text} - 1)")

    def Conditions(self):
        for i, token in enumerate(self.tokens[:-1]):
            if token.text in ("if", "while") and self.tokens[i + 1].text == "(":
                close = Close(self.tokens, i + 1)
                first = i + 2
                for j in range(i + 2, close):
                    if self.tokens[j].text == ";":
                        first = j + 1
                condition = [one.text for one in self.tokens[first:close]]
                # The negation of a single relation is a mutant of that relation already.
                single = (sum(self.Spaced(j) and self.tokens[j].text in RELATIONS for j in range(first, close)) == 1
                          and not {"&&", "||"} & set(condition))
                if not single and "=" not in condition and ":" not in condition and first < close:
                    self.Add("NegatedCondition", first, close, f"!({self.Text(first, close)})")
            elif token.text == "?":
                self.Branches(i)

    def Branches(self, i):
        """condition ? a : b becomes condition ? b : a."""
        depth, colon = 0, None
        for j in range(i + 1, len(self.tokens)):
            text = self.tokens[j].text
            if depth == 0 and (text in ";,)]}" or (text == ":" and colon)):
                if colon:
                    self.Add("SwappedBranches", i + 1, j,
                             f"{self.Text(colon + 1, j)} : {self.Text(i + 1, colon)}")
                return
            depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1, "?": 1}.get(text, 0)
            if text == ":" and depth == 0:
                colon = j
            elif text == ":":
                depth -= 1

    def Statements(self):
        starts = {";", "{", "}", "else"}
        for i, token in enumerate(self.tokens):
            before = self.tokens[i - 1].text if i else ";"
            after_head = before == ")" and self.HeadEndsAt(i - 1)
            if not self.code[i] or not (before in starts or after_head) or self.heads[i]:
                continue
            limit = self.StatementEnd(i)
            if limit is None:
                continue
            if token.text in ("break", "continue"):
                self.Add("Deletion", i, limit, "")
            elif self.IsExpression(i):
                self.Add("Deletion", i, limit, "static_cast<void>(0)")

    def HeadEndsAt(self, close):
        """Whether a ) ends the head of an if, a for or a while."""
        depth = 0
        for j in range(close, 0, -1):
            depth += {")": 1, "(": -1}.get(self.tokens[j].text, 0)
            if depth == 0:
                return self.tokens[j - 1].text in ("if", "for", "while", "constexpr")
        return False

    def StatementEnd(self, i):
        """Index of the ; that ends the statement; None where it is none."""
        j = i
        while j < len(self.tokens) and self.tokens[j].text != ";":
            if self.tokens[j].text in "([{":
                j = Close(self.tokens, j)
                if j is None:
                    return None
            elif self.tokens[j].text in ")]}":
                return None
            j += 1
        return j if i < j < len(self.tokens) else None

    def IsExpression(self, i):
        if self.tokens[i].text in ("++", "--"):
            return True
        if self.tokens[i].kind != "word" or self.tokens[i].text in KEYWORDS:
            return False
        j = i + 1
        while self.tokens[j].text == "::":
            j += 2
        if self.tokens[j].text == "<" and not self.Spaced(j):
            j = self.AngleEnd(j)
        return self.tokens[j].text not in ("*", "&", "::", ":", "{") and self.tokens[j].kind != "word"

    def SwappedArguments(self):
        for i, token in enumerate(self.tokens[1:], 1):
            before = self.tokens[i - 1]
            if token.text not in "({" or before.kind != "word" or before.text in KEYWORDS | {"PA_EXPECT"}:
                continue
            if not self.code[i] or self.tokens[i - 1].end != token.begin:
                continue
            close = Close(self.tokens, i)
            parts = Arguments(self.tokens, i, close) if close else []
            for (first, limit), (second, end) in zip(parts, parts[1:]):
                a, b = self.Text(first, limit), self.Text(second, end)
                if ArgumentKind(a) == ArgumentKind(b):
                    self.Add("SwappedArguments", first, end, f"{b}, {a}")

    def Mutants(self):
        for operator in (self.Tables, self.Constants, self.Levels, self.Conditions, self.Statements,
                         self.SwappedArguments):
            operator()
        lines = self.text.split("\n")
        seen, mutants = {}, []
        for begin, end, operator, original, replacement in sorted(set(self.found)):
            line = self.text.count("\n", 0, begin) + 1
            key = (lines[line - 1].strip(), operator, original, replacement)
            seen[key] = seen.get(key, -1) + 1
            mutants.append(Mutant(self.name, operator, begin, end, original, replacement, line,
                                  begin - self.text.rfind("\n", 0, begin), seen[key]))
        return mutants

    def Apply(self, mutant):
        """The whole text with the mutant in it."""
        for begin, end in self.expects:
            if begin <= mutant.begin and mutant.end <= end:
                rule = re.sub(r"\s+", " ", self.text[begin:end]).replace("\\", "\\\\").replace('"', '\\"')
                name = self.text.rfind("PA_EXPECT", 0, begin)
                return (self.text[:name] + f'PA_EXPECT_MUTANT("{rule}", ' +
                        self.text[begin:mutant.begin] + mutant.replacement + self.text[mutant.end:])
        return self.text[:mutant.begin] + mutant.replacement + self.text[mutant.end:]


# A contract whose rule was changed prints the rule as it was: else every death test would see it.
EXPECT_MACRO = ('-DPA_EXPECT_MUTANT(text,rule,...)=(__builtin_expect(static_cast<bool>(rule),1)?static_cast<void>(0): '
                '::pagealloc::internal::Broken("contract",text,#__VA_ARGS__,__FILE__,__LINE__ __VA_OPT__(,) '
                '__VA_ARGS__))')
