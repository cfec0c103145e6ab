"""Messages whose words are not those of the person who sends them."""

STATED = "I live in Hamburg.\nI'm allergic to nuts."
OTHERS_WORDS = {
    "a letter": f"Dear Mr Brown,\n\n{STATED}\n\nKind regards,\nPaula",
    "a mail": f"From: Paula <p@example.org>\nSubject: Hello\n\n{STATED}",
    "a forwarded mail": f"---------- Forwarded message ---------\n{STATED}",
    "an answered mail": f"On Mon, 3 Mar 2025, Paula wrote:\n{STATED}",
    "a retrieved document": f'<source id="1">{STATED}</source>\n\nWho is it?',
    "retrieved documents": f"<document_content>\n{STATED}\n</document_content>\nSum it up.",
    "context between rules": f"Look at it.\n-----\n{STATED}\n-----\nWhere is it?",
    "a quoted text": f'She wrote: "{STATED}"',
    "a quoted comment": "> I live in Hamburg.\n\nWhat do you think?",
    "data": '{"bio": "short"}\nI live in Hamburg.',
    "a pasted chat": "[10:00] Paula\nI live in Hamburg.\n[10:01] Ben\nNice",
    "a script": "INT. KITCHEN - DAY\n\nPAULA\nI live in Hamburg.\n\nBEN\nI'm allergic to nuts.",
    "a role-play": "Let's roleplay. I am a pirate. I live in Tortuga.",
    "a poem": "I live in the sea,\nI work as a star,\nI have a dog: Moon,\nand my name is Far.",
}
# What a person says in a session after they began to play somebody.
PLAY = ("Let's play a game: you are the captain.", "I live in Tortuga.", "My name is Jack.")
