"""Conversations about people with two names, and about namesakes, written for these tests.

A pair is one person under two names: what two speakers say of them, the facts that a large model
would store of it, and what it would say of the names. Namesakes are two persons of one name. Each
conversation has turns (speaker, text, session), facts (subject, attribute, value, turn), the
aliases (name, entity, turn) of a large model, and whom each fact is about: by a letter, which is
nobody's name.
"""

from dataclasses import dataclass

Turns = tuple[tuple[str, str, str], ...]
Facts = tuple[tuple[str, str, str, int], ...]
Aliases = tuple[tuple[str, str, int], ...]


@dataclass(frozen=True)
class Conversation:
    """What was said, the facts and aliases of it, and the person (a letter) of each fact."""

    name: str
    turns: Turns
    facts: Facts
    aliases: Aliases
    people: str


# --- one person, two names ------------------------------------------------------------------------
# (speaker, introduction, first name, second name, how the model says it: name is entity). The
# first turn introduces, in the second session the other name is used.
_RELATIVES = [
    ("Anna", "My mother is called Ilse. Mum turned seventy.", "Mum", "Ilse"),
    ("Anna", "I rang my mother. Mum, Ilse to the rest of you, is fine.", "my mother", "Ilse"),
    ("Ben", "My sister Elena moved in next door.", "my sister", "Elena"),
    ("Ben", "Dad is off sailing. Yes, Rolf, my dad.", "Dad", "Rolf"),
    ("Cleo", "We met Nadia, my wife, at a concert.", "my wife", "Nadia"),
    ("Cleo", "My husband's name is Idris and he bakes.", "my husband", "Idris"),
    ("Dina", "Grandma still swims. Grandma Edith, I mean.", "Grandma", "Edith"),
    ("Dina", "My grandfather, called Otto, built boats.", "my grandfather", "Otto"),
    ("Emil", "Meine Mutter heißt Renate. Mama kocht gern.", "Mama", "Renate"),
    ("Emil", "Meine Schwester heißt Jutta und wohnt in Bremen.", "meine Schwester", "Jutta"),
    ("Emil", "Opa war Lehrer. Opa Heinz hat viel erzählt.", "Opa", "Heinz"),
    ("Fina", "Mi hermana se llama Lucía y canta.", "mi hermana", "Lucía"),
    ("Fina", "Mi madre, Carmen, es médica.", "mi madre", "Carmen"),
    ("Gilles", "Ma sœur s'appelle Odile.", "ma sœur", "Odile"),
    ("Gilles", "Maman a téléphoné. Maman, donc Colette.", "Maman", "Colette"),
    ("Hana", "私の母は洋子です。お母さんは元気です。", "お母さん", "洋子"),
    ("Hana", "弟の健太が結婚しました。", "私の弟", "健太"),
    ("Igor", "Мою маму зовут Ольга. Мама живёт в Риге.", "мама", "Ольга"),
    ("Igor", "Мой брат Дима учит шведский.", "мой брат", "Дима"),
    ("Jin", "我妈妈叫王芳。妈妈喜欢跳舞。", "妈妈", "王芳"),
    ("Kofi", "My uncle Kwame owns a garage.", "my uncle", "Kwame"),
    ("Kofi", "My niece is called Abena.", "my niece", "Abena"),
    ("Lars", "My brother-in-law Mats fixes clocks.", "my brother-in-law", "Mats"),
    ("Lars", "My boss is Ingrid; the boss wants reports.", "my boss", "Ingrid"),
    ("Mona", "My daughter Freya starts school.", "my daughter", "Freya"),
    ("Mona", "Our son Max lost a tooth.", "our son", "Max"),
    ("Nils", "Svea, my girlfriend, paints.", "my girlfriend", "Svea"),
    ("Nils", "My mother-in-law is called Gunnel.", "my mother-in-law", "Gunnel"),
]
_NICKNAMES = [
    ("Olga", "Robert, or Bob as we call him, is the plumber.", "Bob", "Robert"),
    ("Olga", "Liz got the job! Elizabeth never thought she would.", "Liz", "Elizabeth"),
    ("Pia", "Alexander goes by Sascha since school.", "Sascha", "Alexander"),
    ("Pia", "Everybody calls Margaret Peggy.", "Peggy", "Margaret"),
    ("Quim", "Francesc is Cesc to his friends.", "Cesc", "Francesc"),
    ("Quim", "My neighbour José, Pepe for short, keeps bees.", "Pepe", "José"),
    ("Rosa", "Katarzyna signs her mails Kasia.", "Kasia", "Katarzyna"),
    ("Rosa", "Aleksandra, we say Ola, teaches maths.", "Ola", "Aleksandra"),
    ("Sami", "The cat is Miss Marple, but she listens to Marpi.", "Marpi", "Miss Marple"),
    ("Sami", "Beth is short for Bethany, by the way.", "Beth", "Bethany"),
    ("Tova", "JP means Jean-Pierre, our cook.", "JP", "Jean-Pierre"),
    ("Tova", "The chief, that is Maja, has resigned.", "the chief", "Maja"),
]
_FULL_NAMES = [
    ("Uma", "Tom Baker came by; Tom is back from Peru.", "Tom", "Tom Baker"),
    ("Uma", "Dr. Weiss, Hannah Weiss, will operate.", "Dr. Weiss", "Hannah Weiss"),
    ("Vito", "Chiara Conti won! I knew that Chiara would.", "Chiara", "Chiara Conti"),
    ("Vito", "Mr. Okafor is Chidi Okafor, our landlord.", "Mr. Okafor", "Chidi Okafor"),
    ("Wim", "Professor Lund, Astrid Lund, examines me.", "Professor Lund", "Astrid Lund"),
    ("Wim", "Marie married: Marie Petit is Marie Dubois now.", "Marie Dubois", "Marie Petit"),
    ("Xenia", "Coach Duarte's first name is Rui.", "Coach Duarte", "Rui Duarte"),
    ("Xenia", "A. J. Novak stands for Anton Novak.", "A. J. Novak", "Anton Novak"),
]
_SCRIPTS = [
    ("Yuri", "Olga writes her name Ольга.", "Ольга", "Olga"),
    ("Yuri", "Dmitri, in our letters Дмитрий, is a vet.", "Дмитрий", "Dmitri"),
    ("Zoe", "Tanaka-san (田中) leads the project.", "田中", "Tanaka"),
    ("Zoe", "Suzuki is written 鈴木.", "鈴木", "Suzuki"),
    ("Adil", "محمد spells it Mohamed in English.", "محمد", "Mohamed"),
    ("Adil", "Layla, ليلى, is our youngest.", "ليلى", "Layla"),
    ("Bao", "王伟 is Wang Wei on his passport.", "王伟", "Wang Wei"),
    ("Bao", "Li Na, 李娜, sent the tickets.", "李娜", "Li Na"),
    ("Dov", "My teacher Shira writes שירה.", "שירה", "Shira"),
    ("Elpi", "Γιώργος is George abroad.", "Γιώργος", "George"),
    ("Ha", "민지 says Minji is fine.", "민지", "Minji"),
    ("Lata", "प्रिया is Priya on the badge.", "प्रिया", "Priya"),
]
PAIRS = [
    Conversation(
        name=f"{first} / {second}",
        turns=(
            (speaker, introduction, "first"),
            (speaker, f"News of {first}.", "second"),
            (speaker, f"News of {second}.", "third"),
        ),
        facts=((first, "had_news", "in spring", 2), (second, "had_news", "in autumn", 3)),
        aliases=((first, second, 1),),
        people="aa",
    )
    for speaker, introduction, first, second in (
        *_RELATIVES,
        *_NICKNAMES,
        *_FULL_NAMES,
        *_SCRIPTS,
    )
]


# --- two persons of one name ----------------------------------------------------------------------
def _namesakes(
    name: str,
    first: tuple[str, str, str],
    second: tuple[str, str, str],
) -> Conversation:
    """Two persons of a name: of each who speaks, what, and the name that a large model gives."""
    (speaker, text, entity), (other, other_text, other_entity) = first, second
    return Conversation(
        name=f"{name}: {entity} / {other_entity}",
        turns=(
            (speaker, text, "first"),
            (other, other_text, "second"),
            (speaker, f"{name} called.", "third"),
            (other, f"{name} wrote.", "fourth"),
        ),
        facts=(
            (name, "is", "known since school", 1),
            (name, "is", "new here", 2),
            (name, "called", "on Monday", 3),
            (name, "wrote", "on Tuesday", 4),
        ),
        aliases=((name, entity, 1), (name, other_entity, 2)),
        people="abab",
    )


NAMESAKES = [
    _namesakes(name, (one, text, entity), (other, other_text, other_entity))
    for name, one, text, entity, other, other_text, other_entity in [
        (
            "Tom",
            "Anna",
            "My brother Tom moved.",
            "Anna's brother Tom",
            "Ben",
            "My colleague Tom quit.",
            "Tom from Ben's work",
        ),
        (
            "Elena",
            "Anna",
            "My sister Elena sings.",
            "Elena Berg",
            "Ben",
            "My wife Elena dances.",
            "Elena Rossi",
        ),
        (
            "Maria",
            "Cleo",
            "Maria, my aunt, sews.",
            "Aunt Maria",
            "Dina",
            "Maria, my boss, travels.",
            "Maria the boss",
        ),
        (
            "Max",
            "Cleo",
            "Our son Max walks.",
            "Cleo's Max",
            "Dina",
            "My dog is called Max.",
            "Max the dog",
        ),
        (
            "Paul",
            "Emil",
            "Mein Bruder heißt Paul.",
            "Paul Emilsson",
            "Fina",
            "Paul, mi jefe, viene.",
            "Paul the boss",
        ),
        (
            "Ana",
            "Fina",
            "Mi hermana se llama Ana.",
            "Ana Fina",
            "Gilles",
            "Ana from the choir left.",
            "Ana of the choir",
        ),
        (
            "健太",
            "Hana",
            "私の弟は健太です。",
            "Hana's brother 健太",
            "Jin",
            "健太 from judo won.",
            "健太 of the judo club",
        ),
        (
            "Ольга",
            "Igor",
            "Мою маму зовут Ольга.",
            "Igor's mother",
            "Yuri",
            "Ольга из хора поёт.",
            "Ольга of the choir",
        ),
        (
            "Sam",
            "Kofi",
            "My uncle Sam grows yams.",
            "Uncle Sam",
            "Lars",
            "My daughter is called Sam.",
            "Sam Larsson",
        ),
        (
            "Eva",
            "Lars",
            "Eva is my sister.",
            "Eva Larsson",
            "Mona",
            "Eva was my teacher.",
            "Eva the teacher",
        ),
        (
            "Kim",
            "Mona",
            "My flatmate Kim cooks.",
            "Kim the flatmate",
            "Nils",
            "Kim, my brother, rows.",
            "Kim Nilsson",
        ),
        (
            "Noor",
            "Nils",
            "My neighbour Noor sings.",
            "Noor next door",
            "Olga",
            "My niece Noor reads.",
            "Olga's niece Noor",
        ),
        (
            "Leo",
            "Olga",
            "Leo the cat is ill.",
            "Leo the cat",
            "Pia",
            "My husband's name is Leo.",
            "Pia's Leo",
        ),
        (
            "Ida",
            "Pia",
            "My grandmother Ida knits.",
            "Grandma Ida",
            "Quim",
            "Ida from the gym fell.",
            "Ida of the gym",
        ),
        (
            "Jordi",
            "Quim",
            "Jordi, my cousin, farms.",
            "Cousin Jordi",
            "Rosa",
            "Jordi from Sants won.",
            "Jordi of Sants",
        ),
        (
            "Kasia",
            "Rosa",
            "Kasia, my daughter, skis.",
            "Rosa's Kasia",
            "Sami",
            "Kasia is my dentist.",
            "Kasia the dentist",
        ),
        (
            "Ali",
            "Sami",
            "My son Ali swims.",
            "Sami's Ali",
            "Tova",
            "Ali drives our bus.",
            "Ali the driver",
        ),
        (
            "Maja",
            "Tova",
            "My boss Maja resigned.",
            "Maja the boss",
            "Uma",
            "My sister is called Maja.",
            "Uma's Maja",
        ),
        (
            "David",
            "Uma",
            "David is my doctor.",
            "Doctor David",
            "Vito",
            "David, my uncle, sails.",
            "Uncle David",
        ),
        (
            "Chiara",
            "Vito",
            "My sister Chiara won.",
            "Chiara Conti",
            "Wim",
            "Chiara from Rome came.",
            "Chiara of Rome",
        ),
        (
            "Jan",
            "Wim",
            "Jan, my father, paints.",
            "Wim's father",
            "Xenia",
            "Jan repairs my bike.",
            "Jan the mechanic",
        ),
        (
            "Rui",
            "Xenia",
            "Rui coaches us.",
            "Coach Rui",
            "Zoe",
            "My husband is called Rui.",
            "Zoe's Rui",
        ),
        (
            "Tanaka",
            "Zoe",
            "Tanaka leads the project.",
            "Tanaka of the project",
            "Hana",
            "Tanaka is my teacher.",
            "Hana's teacher",
        ),
        (
            "Layla",
            "Adil",
            "My sister Layla left.",
            "Adil's Layla",
            "Bao",
            "Layla sells tea.",
            "Layla of the tea shop",
        ),
        (
            "Li Na",
            "Bao",
            "Li Na, my wife, runs.",
            "Bao's Li Na",
            "Jin",
            "Li Na, my cousin, reads.",
            "Jin's Li Na",
        ),
        (
            "Shira",
            "Dov",
            "My teacher Shira smiled.",
            "Dov's teacher",
            "Adil",
            "Shira from chess won.",
            "Shira of the chess club",
        ),
        (
            "George",
            "Elpi",
            "My uncle George fishes.",
            "Uncle George",
            "Uma",
            "George, my cat, sleeps.",
            "George the cat",
        ),
        (
            "Minji",
            "Ha",
            "My sister Minji dances.",
            "Ha's Minji",
            "Bao",
            "Minji codes with me.",
            "Minji of the team",
        ),
        (
            "Priya",
            "Lata",
            "My daughter Priya laughs.",
            "Lata's Priya",
            "Anna",
            "Priya, my friend, sings.",
            "Anna's friend Priya",
        ),
        # One of the two speaks in the memory.
        ("Tom", "Anna", "My brother Tom is ill.", "Anna's brother Tom", "Tom", "I am well.", "Tom"),
    ]
]
