-- What a model's number(), replace() and sums of real numbers run as (memory/sql/rendering.py). In
-- SQLite memory/text/amounts.py is number(): it has the rules, and these are its steps, in its order.
-- The words come from memory/text/amounts.toml.


-- ======== number() ========

CREATE FUNCTION memory.number_of_word(word text) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('{"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight":
8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen":
15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30,
"forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "eins": 1,
"zwei": 2, "drei": 3, "vier": 4, "fünf": 5, "sechs": 6, "sieben": 7, "acht": 8, "neun": 9,
"zehn": 10, "zwölf": 12, "dreizehn": 13, "vierzehn": 14, "fünfzehn": 15, "sechzehn": 16,
"siebzehn": 17, "achtzehn": 18, "neunzehn": 19, "zwanzig": 20, "dreißig": 30, "vierzig": 40,
"fünfzig": 50, "sechzig": 60, "siebzig": 70, "achtzig": 80, "neunzig": 90, "einundzwanzig": 21,
"einunddreißig": 31, "einundvierzig": 41, "einundfünfzig": 51, "einundsechzig": 61,
"einundsiebzig": 71, "einundachtzig": 81, "einundneunzig": 91, "einhundert": 100, "eintausend":
1000, "zweiundzwanzig": 22, "zweiunddreißig": 32, "zweiundvierzig": 42, "zweiundfünfzig": 52,
"zweiundsechzig": 62, "zweiundsiebzig": 72, "zweiundachtzig": 82, "zweiundneunzig": 92,
"zweihundert": 200, "zweitausend": 2000, "dreiundzwanzig": 23, "dreiunddreißig": 33,
"dreiundvierzig": 43, "dreiundfünfzig": 53, "dreiundsechzig": 63, "dreiundsiebzig": 73,
"dreiundachtzig": 83, "dreiundneunzig": 93, "dreihundert": 300, "dreitausend": 3000,
"vierundzwanzig": 24, "vierunddreißig": 34, "vierundvierzig": 44, "vierundfünfzig": 54,
"vierundsechzig": 64, "vierundsiebzig": 74, "vierundachtzig": 84, "vierundneunzig": 94,
"vierhundert": 400, "viertausend": 4000, "fünfundzwanzig": 25, "fünfunddreißig": 35,
"fünfundvierzig": 45, "fünfundfünfzig": 55, "fünfundsechzig": 65, "fünfundsiebzig": 75,
"fünfundachtzig": 85, "fünfundneunzig": 95, "fünfhundert": 500, "fünftausend": 5000,
"sechsundzwanzig": 26, "sechsunddreißig": 36, "sechsundvierzig": 46, "sechsundfünfzig": 56,
"sechsundsechzig": 66, "sechsundsiebzig": 76, "sechsundachtzig": 86, "sechsundneunzig": 96,
"sechshundert": 600, "sechstausend": 6000, "siebenundzwanzig": 27, "siebenunddreißig": 37,
"siebenundvierzig": 47, "siebenundfünfzig": 57, "siebenundsechzig": 67, "siebenundsiebzig": 77,
"siebenundachtzig": 87, "siebenundneunzig": 97, "siebenhundert": 700, "siebentausend": 7000,
"achtundzwanzig": 28, "achtunddreißig": 38, "achtundvierzig": 48, "achtundfünfzig": 58,
"achtundsechzig": 68, "achtundsiebzig": 78, "achtundachtzig": 88, "achtundneunzig": 98,
"achthundert": 800, "achttausend": 8000, "neunundzwanzig": 29, "neununddreißig": 39,
"neunundvierzig": 49, "neunundfünfzig": 59, "neunundsechzig": 69, "neunundsiebzig": 79,
"neunundachtzig": 89, "neunundneunzig": 99, "neunhundert": 900, "neuntausend": 9000, "hundert":
100, "tausend": 1000, "anderthalb": 1.5, "eineinhalb": 1.5, "zweieinhalb": 2.5, "dreieinhalb":
3.5, "zéro": 0, "deux": 2, "trois": 3, "quatre": 4, "cinq": 5, "huit": 8, "neuf": 9, "dix": 10,
"onze": 11, "douze": 12, "treize": 13, "quatorze": 14, "quinze": 15, "dix sept": 17, "dix huit":
18, "dix neuf": 19, "vingt": 20, "trente": 30, "quarante": 40, "cinquante": 50, "soixante": 60,
"quatre vingt": 80, "quatre vingts": 80, "mille": 1000, "cero": 0, "tres": 3, "cuatro": 4,
"seis": 6, "siete": 7, "ocho": 8, "nueve": 9, "diez": 10, "doce": 12, "trece": 13, "catorce":
14, "dieciséis": 16, "diecisiete": 17, "dieciocho": 18, "diecinueve": 19, "veinte": 20,
"treinta": 30, "cuarenta": 40, "cincuenta": 50, "sesenta": 60, "setenta": 70, "ochenta": 80,
"noventa": 90, "cien": 100, "veintiuno": 21, "veintidós": 22, "veintitrés": 23, "veinticuatro":
24, "veinticinco": 25, "veintiséis": 26, "veintisiete": 27, "veintiocho": 28, "veintinueve": 29,
"ciento": 100, "doscientos": 200, "trescientos": 300, "cuatrocientos": 400, "quinientos": 500,
"seiscientos": 600, "setecientos": 700, "ochocientos": 800, "novecientos": 900}'::jsonb ->> word)::double precision;

CREATE FUNCTION memory.scale_of_word(word text) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('{"dozen": 12, "hundred": 100, "thousand": 1000, "million": 1000000, "billion": 1000000000,
"dutzend": 12, "hundert": 100, "tausend": 1000, "tsd": 1000, "millionen": 1000000, "mio":
1000000, "milliarde": 1000000000, "milliarden": 1000000000, "mrd": 1000000000, "douzaine": 12,
"mille": 1000, "millions": 1000000, "milliard": 1000000000, "milliards": 1000000000, "docena":
12, "millón": 1000000, "millones": 1000000}'::jsonb ->> word)::double precision;

-- What kind of small word this is: 'and', 'half', 'article', or NULL.
CREATE FUNCTION memory.small_word(word text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN word = ANY (ARRAY['and', 'et', 'und', 'y']) THEN 'and'
    WHEN word = ANY (ARRAY['demi', 'demie', 'half', 'media', 'medio']) THEN 'half'
    WHEN word = ANY (ARRAY['a', 'an', 'ein', 'eine', 'einen', 'una', 'une']) THEN 'article'
END;

CREATE FUNCTION memory.adds_half(words text[], place integer) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(
    memory.small_word(rtrim(words[place], '.,;:!?)')) = 'and'
    AND memory.small_word(rtrim(words[
        CASE WHEN memory.small_word(rtrim(words[place + 1], '.,;:!?)')) = 'article'
            AND words[place + 2] IS NOT NULL
        THEN place + 2 ELSE place + 1 END
    ], '.,;:!?)')) = 'half',
    false
);

-- What follows a number word in the same number is smaller. French adds up to 19 to 60 and 80.
CREATE FUNCTION memory.room_behind(value double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN value >= 1000 THEN 1000
    WHEN value >= 100 THEN 100
    WHEN value IN (60, 80) THEN 20
    WHEN value >= 20 AND value / 10 = floor(value / 10) THEN 10
    ELSE 0
END;

CREATE FUNCTION memory.worded_number(said text[]) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog
AS $$
DECLARE
    words text[] := said || ARRAY['', ''];
    place integer := 1;
    behind integer;
    total double precision := 0;
    held double precision;   -- what the next scale multiplies
    room double precision := 0;  -- what is added to it is smaller
    most double precision := 'Infinity';  -- as the next scale, and the next group
    has_word boolean := false;
    is_pair boolean;
    word text;
    next_word text;
    value double precision;
    scale double precision;
BEGIN
    IF memory.small_word(words[1]) = 'article' THEN
        place := 2;
        held := 1;
    END IF;
    IF memory.small_word(words[place]) = 'half' THEN
        behind := place + 1;
        IF memory.small_word(words[behind]) = 'article' THEN
            behind := place + 2;
        END IF;
        scale := memory.scale_of_word(rtrim(words[behind], '.,;:!?)'));
        RETURN CASE WHEN scale IS NOT NULL THEN 0.5 * scale
            WHEN behind = place + 2 THEN 0.5 END;
    END IF;

    WHILE place <= cardinality(said) LOOP
        word := rtrim(words[place], '.,;:!?)');
        next_word := rtrim(words[place + 1], '.,;:!?)');
        value := memory.number_of_word(words[place] || ' ' || next_word);
        is_pair := value IS NOT NULL;
        IF NOT is_pair THEN
            value := memory.number_of_word(word);
        END IF;
        scale := memory.scale_of_word(word);
        IF value < (CASE WHEN held IS NULL THEN most ELSE room END) THEN
            held := value + coalesce(held, 0);
            room := memory.room_behind(value);
        ELSIF scale = 100 AND held < 100 THEN
            held := held * 100;
            room := 100;
        ELSIF scale = 12 AND held IS NOT NULL THEN
            RETURN total + held * 12;
        ELSIF scale >= 1000 AND held IS NOT NULL AND scale < most THEN
            total := total + held * scale;
            held := NULL;
            room := 0;
            most := scale;
        ELSIF memory.small_word(word) = 'and' AND has_word THEN
            IF memory.adds_half(words, place) THEN
                RETURN total + coalesce(held, 0) + 0.5;
            END IF;
            value := memory.number_of_word(next_word);
            IF coalesce(value >= (CASE WHEN held IS NULL THEN most ELSE room END), true) THEN
                EXIT;
            END IF;
        ELSE
            EXIT;
        END IF;
        has_word := true;
        word := words[CASE WHEN is_pair THEN place + 1 ELSE place END];
        place := place + CASE WHEN is_pair THEN 2 ELSE 1 END;
        EXIT WHEN word <> rtrim(word, '.,;:!?)');
    END LOOP;
    RETURN CASE WHEN has_word THEN total + coalesce(held, 0) END;
END
$$;

CREATE FUNCTION memory.number(value text) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog
AS $$
DECLARE
    plain text COLLATE "C" := btrim(translate(
        left(value, 100),
        E'\t\n\r\x0b\x0c\u00a0\u2009\u202f\u2212\u2013\u2019',
        E'        --'''
    ), ' ');
    small text COLLATE "C" := translate(
        plain, 'ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÜÉÈÁÍÓÚ', 'abcdefghijklmnopqrstuvwxyzäöüéèáíóú'
    );
    matched text COLLATE "C";
    sign text[];
    is_minus boolean := false;
    is_money boolean := false;
    amount double precision;
    numeral text COLLATE "C";
    exponent text;
    words text[];
    scale double precision;
BEGIN
    IF plain IS NULL OR plain = '' THEN
        RETURN NULL;
    END IF;
    -- Most amounts begin with a digit, and have nothing before it.
    IF plain !~ '^[0-9]' THEN
        matched := substring(small from
            '^(?:(?:about|around|approximately|approx|approx\.|roughly|nearly|almost|circa|ca|ca\.|some'
        '|only|just|exactly|over|under|at least|at most|up to|more than|less than|a total of|usd|us'
        '|eur|gbp|chf|cad|aud|inr|jpy|rs|rs\.|kr|kr\.|etwa|ungefähr|rund|fast|knapp|gut|über|unter|'
        'nur|genau|mindestens|höchstens|bis zu|mehr als|weniger als|environ|presque|près de|plus de'
        '|moins de|au moins|seulement|unos|unas|aproximadamente|casi|cerca de|más de|menos de|al me'
        'nos) +)+');
        plain := substr(plain, 1 + coalesce(length(matched), 0));
        small := substr(small, 1 + coalesce(length(matched), 0));
        matched := substring(small from '^(?:menos|minus|moins) +');
        is_minus := matched IS NOT NULL;
        plain := substr(plain, 1 + coalesce(length(matched), 0));
        small := substr(small, 1 + coalesce(length(matched), 0));
        sign := regexp_match(
            plain, '^((?:[~≈] ?)?([-+]?)(?:([A-Za-z]{0,3}[$€£¥₹₽₩₺₴₪฿₫₦₱]) ?)?([-+]?))'
        );
        is_minus := is_minus OR sign[2] = '-' OR sign[4] = '-';
        is_money := coalesce(sign[3], '') <> '';
        plain := substr(plain, 1 + length(sign[1]));
        small := substr(small, 1 + length(sign[1]));
    END IF;

    numeral := coalesce(
        substring(plain from '^[1-9][0-9]{0,2}(?: [0-9]{3})+(?:[.,][0-9]+)?(?![0-9])'),
        substring(plain from '^(?:[0-9]+(?:[.,''][0-9]+)*|[.][0-9]+)')
    );
    IF left(plain, 1) IN ('½', '¼', '¾') THEN
        amount := CASE left(plain, 1) WHEN '½' THEN 0.5 WHEN '¼' THEN 0.25 ELSE 0.75 END;
    ELSIF numeral IS NULL THEN
        IF is_money THEN
            RETURN NULL;
        END IF;
        amount := memory.worded_number(regexp_split_to_array(small, '[ -]+'));
    ELSE
        plain := substr(plain, 1 + length(numeral));
        small := substr(small, 1 + length(numeral));
        exponent := substring(plain from '^[eE][-+]?[0-9]{1,2}(?![0-9A-Za-z])');
        IF length(numeral) > 30
            OR (exponent IS NULL AND plain ~ '^(?:[.,'':/][0-9]|[eE][-+]?[0-9]| [0-9]+/[0-9])')
            OR (numeral ~ '^[0-9]{4}$' AND plain ~ '^-(?:0[1-9]|1[0-2])(?![0-9])')
        THEN
            RETURN NULL;
        END IF;
        numeral := replace(numeral, ' ', '''');
        IF numeral ~ ('^(?:[1-9][0-9]{0,2}(?:(?:,[0-9]{3})+(?:[.][0-9]+)?|(?:[.][0-9]{3})+'
            '(?:,[0-9]+)?|(?:''[0-9]{3})+(?:[.,][0-9]+)?)'
            '|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}(?:[.][0-9]+)?)$')
        THEN
            numeral := replace(numeral, left(ltrim(numeral, '0123456789'), 1), '');
        ELSIF numeral !~ '^(?:[0-9]+(?:[.,][0-9]+)?|[.][0-9]+)$' THEN
            RETURN NULL;
        END IF;
        amount := (replace(numeral, ',', '.') || coalesce(exponent, ''))::double precision;
        matched := substring(plain from
            CASE WHEN is_money THEN '^(?:k|K|m|M|b|B|bn)(?![0-9A-Za-z])'
                ELSE '^(?:k|K|M|bn)(?![0-9A-Za-z])' END);
        words := regexp_split_to_array(small, '[ -]+');
        IF exponent IS NOT NULL THEN
            NULL;
        ELSIF plain ~ '^ ?[½¼¾]' THEN
            amount := amount + CASE left(ltrim(plain, ' '), 1)
                WHEN '½' THEN 0.5 WHEN '¼' THEN 0.25 ELSE 0.75 END;
        ELSIF matched IS NOT NULL THEN
            amount := amount * CASE lower(left(matched, 1))
                WHEN 'k' THEN 1e3 WHEN 'm' THEN 1e6 ELSE 1e9 END;
        ELSIF words[1] = '' AND memory.adds_half(words, 2) THEN
            amount := amount + 0.5;
        ELSIF words[1] = '' THEN
            FOR place IN 2 .. cardinality(words) LOOP
                scale := memory.scale_of_word(rtrim(words[place], '.,;:!?)'));
                EXIT WHEN scale IS NULL;
                amount := amount * scale;
            END LOOP;
        END IF;
    END IF;
    RETURN CASE WHEN amount = 0 THEN 0 WHEN is_minus THEN -amount ELSE amount END;
END
$$;


-- ======== texts and sums ========

-- A text is at most as long as in SQLite: see memory.joined.
CREATE FUNCTION memory.replaced(value text, part text, other text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog
AS $$
BEGIN
    IF octet_length(other) > octet_length(part) AND part <> '' AND 2000000 < octet_length(value)
        + (octet_length(value) - octet_length(replace(value, part, ''))) / octet_length(part)
        * (octet_length(other) - octet_length(part))::bigint
    THEN
        RAISE EXCEPTION 'a value is too long' USING ERRCODE = 'program_limit_exceeded';
    END IF;
    RETURN replace(value, part, other);
END
$$;
