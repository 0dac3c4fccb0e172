/**
 * The predicates on a value of the arguments (spec/policy.md "What a rule can match"): one table of
 * how each is written.
 */
import {
  BOUNDS,
  type Bound,
  type NamesPredicate,
  POINTER_MAX_CHARS,
  PREDICATE_MAX_DEPTH,
  type Predicate,
  REGEX_MAX_CHARS,
  type Scalar,
  VALUE_TYPES,
} from './ast.ts'
import { globProblem } from './glob.ts'
import { parseNamePattern } from './host-name.ts'
import { parseCidr } from './ip.ts'
import { readNumber, readText } from './raw.ts'
import { compileRegex } from './regex.ts'
import {
  anyOfMembers,
  boolean,
  choice,
  described,
  integer,
  list,
  type Member,
  type Members,
  member,
  number,
  oneOrMore,
  type Syntax,
  text,
} from './syntax.ts'
import { normalPath } from './texts.ts'
import { readHost } from './url.ts'

const LENGTH_MAX = 131_072

const scalar: Syntax<Scalar> = {
  read: (raw, at) => {
    if (typeof raw === 'boolean') return raw
    return typeof raw === 'string' ? readText(raw, at) : readNumber(raw, at)
  },
  write: (value) => value,
  schema: { type: ['string', 'number', 'boolean'] },
}

const regexProblem = (pattern: string): string | null =>
  compileRegex(pattern) === null ? 'not RE2 syntax (no look-around, no back-references)' : null

const pathProblem = (path: string): string | null => {
  const normal = normalPath(path)
  if (normal === null) return 'expected an absolute path such as "/srv/data"'
  return normal === path ? null : `not in its shortest form: "${normal}"`
}

const hostProblem = (host: string): string | null =>
  parseNamePattern(host) === null && readHost(host) === null
    ? 'expected a host such as "example.com", "*.example.com", "192.0.2.1" or "[2001:db8::1]"'
    : null

const domainProblem = (domain: string): string | null =>
  parseNamePattern(domain) === null
    ? 'expected a domain such as "example.com" or "*.example.com"'
    : null

const schemeProblem = (scheme: string): string | null =>
  /^[a-z][a-z0-9+.-]*$/.test(scheme) ? null : 'expected a scheme such as "https", in lower case'

const cidrProblem = (range: string): string | null =>
  parseCidr(range) === null
    ? 'expected a range such as "10.0.0.0/8", no bits past its prefix'
    : null

export const glob: Syntax<string> = described(
  text(globProblem),
  '* stays inside a part, ** crosses parts',
)

function names(
  kind: NamesPredicate,
  item: Syntax<string>,
  says: string,
): [string, Member<Predicate>] {
  return [
    kind,
    member<readonly string[], Predicate>(
      described(oneOrMore(item), says),
      (written) => ({ kind, names: written }),
      (predicate) => (predicate.kind === kind ? predicate.names : null),
    ),
  ]
}

function bound(kind: Bound): [string, Member<Predicate>] {
  return [
    kind,
    member<number, Predicate>(
      number,
      (value) => ({ kind, value }),
      (predicate) => (predicate.kind === kind ? predicate.value : null),
    ),
  ]
}

function scalars(kind: 'in' | 'not_in'): [string, Member<Predicate>] {
  return [
    kind,
    member<readonly Scalar[], Predicate>(
      list(scalar),
      (values) => ({ kind, values }),
      (predicate) => (predicate.kind === kind ? predicate.values : null),
    ),
  ]
}

function nested(kind: 'each' | 'any', depth: number): [string, Member<Predicate>] {
  return [
    kind,
    member<readonly Predicate[], Predicate>(
      described(
        predicatesAt(depth + 1),
        kind === 'each' ? 'Every item of the list' : 'Some item of the list',
      ),
      (predicates) => ({ kind, predicates }),
      (predicate) => (predicate.kind === kind ? predicate.predicates : null),
    ),
  ]
}

const FLAT: readonly [string, Member<Predicate>][] = [
  [
    'eq',
    member<Scalar, Predicate>(
      scalar,
      (value) => ({ kind: 'eq', value }),
      (predicate) => (predicate.kind === 'eq' ? predicate.value : null),
    ),
  ],
  scalars('in'),
  scalars('not_in'),
  ...BOUNDS.map(bound),
  [
    'glob',
    member<readonly string[], Predicate>(
      oneOrMore(glob),
      (globs) => ({ kind: 'glob', globs }),
      (predicate) => (predicate.kind === 'glob' ? predicate.globs : null),
    ),
  ],
  [
    'regex',
    member<string, Predicate>(
      described(text(regexProblem, REGEX_MAX_CHARS), 'RE2 syntax, found anywhere unless anchored'),
      (pattern) => ({ kind: 'regex', pattern }),
      (predicate) => (predicate.kind === 'regex' ? predicate.pattern : null),
    ),
  ],
  [
    'max_length',
    member<number, Predicate>(
      described(integer({ min: 0, max: LENGTH_MAX }), 'Characters of a text, items of a list'),
      (value) => ({ kind: 'max_length', value }),
      (predicate) => (predicate.kind === 'max_length' ? predicate.value : null),
    ),
  ],
  [
    'type',
    member<readonly (typeof VALUE_TYPES)[number][], Predicate>(
      oneOrMore(choice(VALUE_TYPES)),
      (any) => ({ kind: 'type', any }),
      (predicate) => (predicate.kind === 'type' ? predicate.any : null),
    ),
  ],
  [
    'exists',
    member<boolean, Predicate>(
      boolean,
      (value) => ({ kind: 'exists', value }),
      (predicate) => (predicate.kind === 'exists' ? predicate.value : null),
    ),
  ],
  names('subpath_of', text(pathProblem), 'At or below one of these absolute paths'),
  names('host_in', text(hostProblem), 'The host of a URL'),
  names('host_not_in', text(hostProblem), 'The host of a URL is none of these'),
  names('scheme_in', text(schemeProblem), 'The scheme of a URL'),
  names('cidr_in', text(cidrProblem), 'An IP address in one of these ranges'),
  names('email_domain_in', text(domainProblem), 'The domain of a mail address'),
  names(
    'email_domain_not_in',
    text(domainProblem),
    'The domain of a mail address is none of these',
  ),
  names('keys_in', text(undefined, POINTER_MAX_CHARS), 'An object has no other keys'),
]

function predicatesAt(depth: number): Syntax<readonly Predicate[]> {
  const deeper = depth < PREDICATE_MAX_DEPTH ? [nested('each', depth), nested('any', depth)] : []
  const members: Members<Predicate> = new Map([...FLAT, ...deeper])
  return anyOfMembers(members, 'expected a predicate such as { eq = "…" }')
}

export const predicates: Syntax<readonly Predicate[]> = predicatesAt(1)
