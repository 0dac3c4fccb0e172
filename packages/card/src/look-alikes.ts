/**
 * Letters, digits and signs that are drawn like an ASCII one, after the table of look-alikes of Unicode
 * (UTS #39, `confusables.txt`): those of living scripts that stay as they are under NFKC, which takes
 * care of the others (full-width, mathematical, circled).
 */
const DRAWN_LIKE: readonly (readonly [ascii: string, others: string])[] = [
  ['-', '\u{2d7}\u{6d4}\u{2010}\u{2012}\u{2013}\u{2043}\u{2212}\u{2796}\u{2cba}'],
  ['.', '\u{660}\u{6f0}\u{a4f8}\u{1d16d}'],
  [
    '/',
    '\u{1735}\u{2041}\u{2044}\u{2215}\u{2571}\u{27cb}\u{29f8}\u{2cc6}\u{3033}\u{31d3}\u{1d23a}',
  ],
  ['2', '\u{1a7}\u{3e8}\u{14bf}\u{a644}\u{a75a}'],
  ['3', '\u{1b7}\u{21c}\u{417}\u{4e0}\u{2ccc}\u{a76a}\u{a7ab}\u{1d206}'],
  ['4', '\u{13ce}'],
  ['5', '\u{1bc}'],
  ['6', '\u{431}\u{13ee}\u{2cd2}'],
  ['7', '\u{1d212}'],
  ['8', '\u{222}\u{223}\u{9ea}\u{a6a}'],
  ['9', '\u{9ed}\u{a67}\u{b68}\u{d6d}\u{2cca}\u{a76e}'],
  [':', '\u{2d0}\u{2f8}\u{589}\u{5c3}\u{16ec}\u{1803}\u{205a}\u{2236}\u{a4fd}\u{a789}'],
  ['a', '\u{251}\u{391}\u{3b1}\u{410}\u{430}\u{13aa}\u{15c5}\u{237a}\u{a4ee}'],
  ['ae', '\u{e6}\u{4d5}'],
  ['b', '\u{184}\u{392}\u{412}\u{42c}\u{13cf}\u{13f4}\u{1472}\u{15af}\u{15f7}\u{a4d0}\u{a7b4}'],
  [
    'c',
    '\u{421}\u{441}\u{13df}\u{1d04}\u{2ca4}\u{2ca5}\u{a4da}\u{abaf}\u{10415}\u{1043d}\u{118e9}\u{1f74c}',
  ],
  ['d', '\u{501}\u{13a0}\u{13e7}\u{146f}\u{15de}\u{15ea}\u{a4d2}\u{a4d3}'],
  ['e', '\u{395}\u{415}\u{435}\u{4bd}\u{13ac}\u{212e}\u{22ff}\u{a4f0}\u{ab32}'],
  ['f', '\u{3dc}\u{584}\u{15b4}\u{1e9d}\u{a4dd}\u{a798}\u{a799}\u{ab35}\u{1d213}'],
  ['g', '\u{18d}\u{261}\u{50c}\u{581}\u{13c0}\u{13f3}\u{1d83}\u{a4d6}'],
  ['h', '\u{397}\u{41d}\u{4bb}\u{570}\u{13bb}\u{13c2}\u{157c}\u{2c8e}\u{a4e7}'],
  ['i', '\u{131}\u{269}\u{26a}\u{3b9}\u{456}\u{13a5}\u{2373}\u{a647}\u{ab75}'],
  ['j', '\u{37f}\u{3f3}\u{408}\u{458}\u{13ab}\u{148d}\u{a4d9}\u{a7b2}'],
  ['k', '\u{39a}\u{41a}\u{13e6}\u{2c94}\u{a4d7}'],
  [
    'l',
    '\u{4cf}\u{196}\u{1c0}\u{399}\u{406}\u{4c0}\u{5c0}\u{5d5}\u{5df}\u{627}\u{661}\u{6f1}\u{13de}\u{14aa}\u{2223}\u{23fd}\u{2c92}\u{2cd0}\u{a4e1}\u{a4f2}\u{1041b}\u{1d22a}',
  ],
  ['m', '\u{39c}\u{3fa}\u{41c}\u{13b7}\u{15f0}\u{2c98}\u{a4df}'],
  ['n', '\u{39d}\u{578}\u{57c}\u{2c9a}\u{a4e0}'],
  [
    'o',
    '\u{39f}\u{3bf}\u{3c3}\u{41e}\u{43e}\u{555}\u{585}\u{5e1}\u{647}\u{665}\u{6be}\u{6c1}\u{6d5}\u{6f5}\u{7c0}\u{966}\u{9e6}\u{a66}\u{ae6}\u{b66}\u{be6}\u{c66}\u{ce6}\u{d66}\u{e50}\u{ed0}\u{1040}\u{10ff}\u{1d0f}\u{1d11}\u{2c9e}\u{2c9f}\u{a4f3}\u{ab3d}\u{10404}\u{1042c}\u{114d0}\u{118e0}',
  ],
  ['oe', '\u{153}'],
  ['p', '\u{3a1}\u{3c1}\u{420}\u{440}\u{13e2}\u{146d}\u{2374}\u{2ca2}\u{2ca3}\u{a4d1}'],
  ['q', '\u{51b}\u{563}\u{566}'],
  [
    'r',
    '\u{1a6}\u{433}\u{13a1}\u{13d2}\u{1587}\u{1d26}\u{2c85}\u{a4e3}\u{ab47}\u{ab48}\u{ab81}\u{1d216}',
  ],
  ['rn', '\u{118e3}'],
  ['s', '\u{1bd}\u{405}\u{455}\u{54f}\u{13d5}\u{13da}\u{a4e2}\u{a731}\u{abaa}\u{10420}\u{10448}'],
  ['t', '\u{3a4}\u{422}\u{13a2}\u{22a4}\u{27d9}\u{2ca6}\u{a4d4}\u{1f768}'],
  [
    'u',
    '\u{28b}\u{3c5}\u{54d}\u{57d}\u{144c}\u{1d1c}\u{222a}\u{22c3}\u{a4f4}\u{a79f}\u{ab4e}\u{ab52}',
  ],
  [
    'v',
    '\u{3bd}\u{474}\u{475}\u{5d8}\u{667}\u{6f7}\u{13d9}\u{142f}\u{1d20}\u{2228}\u{22c1}\u{a4e6}\u{aba9}\u{1d20d}',
  ],
  ['w', '\u{26f}\u{461}\u{51c}\u{51d}\u{561}\u{13b3}\u{13d4}\u{1d21}\u{a4ea}\u{ab83}\u{118e6}'],
  [
    'x',
    '\u{d7}\u{3a7}\u{425}\u{445}\u{1541}\u{157d}\u{166d}\u{166e}\u{2573}\u{292b}\u{292c}\u{2a2f}\u{2cac}\u{a4eb}\u{a7b3}',
  ],
  [
    'y',
    '\u{263}\u{28f}\u{3a5}\u{3b3}\u{423}\u{443}\u{4ae}\u{4af}\u{10e7}\u{13a9}\u{13bd}\u{1d8c}\u{1eff}\u{2ca8}\u{a4ec}\u{ab5a}',
  ],
  ['z', '\u{396}\u{13c3}\u{1d22}\u{a4dc}\u{ab93}\u{102f5}\u{118e5}'],
]

/** By character, the lower-case ASCII that it is drawn like. */
export const LOOK_ALIKES: ReadonlyMap<string, string> = new Map(
  DRAWN_LIKE.flatMap(([ascii, others]) => Array.from(others, (other) => [other, ascii] as const)),
)
