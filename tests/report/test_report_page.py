"""The page as a reader gets it: sections, numbers, pictures; finished or not; and nothing from elsewhere."""

from __future__ import annotations

import base64
import io
import json
import shutil
from html.parser import HTMLParser

import pytest
from PIL import Image
from running import open_campaign, run

from nni_dna.cli import main
from nni_dna.errors import WorkFolderError
from nni_dna.report import write_report
from nni_dna.trust import trust

SECTIONS = ['ranking', 'tradeoff', 'network', 'ratings', 'losses', 'maps']


class Page(HTMLParser):
    """What a page refers to, its pictures, its table, its notes, its text by section."""

    def __init__(self, path):
        super().__init__()
        self.references, self.pictures, self.cells, self.notes, self.tags = [], [], [], [], []
        self.text = {}
        self._section, self._open = 'head', ('', '')
        self.feed(path.read_text(encoding='utf8'))

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.tags.append(tag)
        self.references += [value for name, value in attributes if name in ('src', 'href', 'srcset', 'action', 'data', 'poster')]
        if tag == 'img':
            self.pictures.append(named)
        if tag == 'section':
            self._section = named['id']
        if tag == 'td':
            self.cells.append('')
        self._open = tag, named.get('class', '')

    def handle_data(self, data):
        self.text[self._section] = self.text.get(self._section, '') + data
        if self._open[0] in ('td', 'div') and self.cells and data.strip():
            self.cells[-1] += data
        if self._open == ('p', 'note') and data.strip():
            self.notes.append((self._section, data))

    def note(self, section):
        return ' '.join(text for where, text in self.notes if where == section)


def decoded(picture):
    kind, _, content = picture['src'].partition(',')
    assert kind == 'data:image/png;base64'
    image = Image.open(io.BytesIO(base64.b64decode(content)))
    image.load()
    return image


def test_a_finished_experiment_has_every_section_and_lacks_nothing(page):
    read = Page(page)
    assert [name for name in read.text if name != 'head'] == SECTIONS
    assert read.notes == []
    assert all(words in read.text['head'] for words in ('is finished', '24 architectures', 'all 10 in 2 blocks'))


def test_every_picture_decodes_has_content_and_lies_beside_the_page(page):
    pictures = Page(page).pictures
    assert len(pictures) == 4 + 1 + 2 + 2 + 3
    files = {file.read_bytes() for file in page.parent.glob('*.png')}
    for picture in pictures:
        image = decoded(picture)
        assert picture['alt']
        assert image.width >= 2 * int(picture['width']) >= 200
        assert image.height >= 200
        assert len(image.convert('RGB').getcolors(1 << 24)) > 5
        assert base64.b64decode(picture['src'].partition(',')[2]) in files
    assert len(files) == len(pictures)


def test_the_table_holds_what_the_ranking_file_holds(page, finished):
    entries = json.loads((finished / 'ranking.json').read_text())['ranking']
    cells = Page(page).cells
    assert len(cells) == 7 * len(entries)
    for entry, row in zip(entries, zip(*[iter(cells)] * 7)):
        assert row[:5] == (str(entry['rank']), f'{entry["rating"]:.5f}', f'{entry["params"]:,}', f'{entry["madds"]:,}',
                           f'{entry["accuracy"]:.2%}')
        assert row[5].startswith('top ')
        assert all(str(value) in row[6] for value in entry['architecture'].values())


def test_the_page_takes_nothing_from_elsewhere(page):
    read = Page(page)
    assert read.references
    assert all(reference.startswith(('data:image/png;base64,', '#')) for reference in read.references)
    assert not {'script', 'link', 'iframe', 'object', 'embed', 'base'} & set(read.tags)
    text = page.read_text()
    assert 'url(' not in text and '@import' not in text and '://' not in text


def test_the_command_prints_the_path_and_writes_the_same_page_again(page, finished, tmp_path, capsys):
    work = tmp_path / 'work'
    shutil.copytree(finished, work)
    assert main(['report', str(work)]) == 0
    assert capsys.readouterr().out.strip() == str(work / 'report' / 'report.html')
    assert (work / 'report' / 'report.html').read_bytes() == page.read_bytes()
    assert open_campaign(work).done  # the report is not in its way


def test_a_folder_that_is_no_work_folder_is_refused(tmp_path, capsys):
    assert main(['report', str(tmp_path / 'none')]) == 1
    assert 'name the work folder of an experiment' in capsys.readouterr().err
    assert not (tmp_path / 'none').exists()


def test_an_output_that_cannot_be_written_is_refused(finished, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(WorkFolderError, match='--output: expected a folder to write to'):
        write_report(finished, tmp_path / 'file')


# Not finished

def advance(campaign, phase):
    """Do all tasks before a phase."""
    while campaign.phase != phase:
        task = campaign.next_task()
        campaign.started(task, campaign.new_parameter_id())
        campaign.finished(task, run(campaign, task))
    return campaign


def test_reports_on_the_way_say_what_is_not_there_yet(tmp_path):
    work = tmp_path / 'work'
    campaign = open_campaign(work)
    read = Page(write_report(work))
    assert 'phase teacher' in read.text['head'] and '24 architectures' in read.text['head']
    assert {section for section, _ in read.notes} == set(SECTIONS)
    assert read.pictures == [] and read.cells == []

    advance(campaign, 'distill')
    task = campaign.next_task()
    campaign.started(task, campaign.new_parameter_id())
    campaign.finished(task, run(campaign, task))
    read = Page(write_report(work))
    assert '1 of 3 distillation tasks are finished' in read.note('losses')
    assert 'nothing is chosen' in read.text['ratings']
    assert [picture['alt'] for picture in read.pictures] == ['Ratings of the paths of block1 by cell',
                                                             'Distillation loss of block1 over the epochs']

    advance(campaign, 'retrain')
    read = Page(write_report(work))
    assert {section for section, _ in read.notes} == {'ranking', 'tradeoff'}
    assert '2 of 2 are not retrained yet' in read.note('ranking')
    assert 'no accuracy' in read.note('tradeoff')
    assert read.cells.count('not yet') == 2
    assert len(read.pictures) == 2 + 1 + 2 + 2 + 3


def test_damaged_results_are_named_and_left_out(finished, tmp_path):
    work = tmp_path / 'work'
    shutil.copytree(finished, work)
    table = work / 'distill' / 'block1' / 'deep' / 'ratings.npz'
    table.write_bytes(table.read_bytes()[:-1] + b'x')
    read = Page(write_report(work))
    assert 'deep' in read.note('head') and 'runs this task again' in read.note('head')
    assert 'The Pareto front is left out' in read.note('tradeoff')
    assert read.cells[5] == '\u2013'


def test_an_experiment_that_cannot_be_made_again_is_reported_from_its_files_alone(finished, tmp_path):
    work = tmp_path / 'work'
    shutil.copytree(finished, work)
    settings = json.loads((work / 'settings.json').read_text())
    settings['settings']['data']['name'] = 'gone.<script>alert(1)</script>'
    (work / 'settings.json').write_text(json.dumps(settings))
    trust(work)
    page = write_report(work)
    read = Page(page)
    assert all("cannot import module 'gone'" in read.note(section) for section in ('network', 'maps'))
    assert len(read.pictures) == 4 + 2 + 2
    assert read.note('ratings') == read.note('losses') == ''
    assert '&lt;script&gt;' in page.read_text() and 'script' not in read.tags


# The literature, and over the training

def test_published_models_and_what_each_epoch_found_are_drawn_where_they_belong(finished, page, tmp_path):
    work = tmp_path / 'work'
    shutil.copytree(finished, work)
    ranking = json.loads((work / 'ranking.json').read_text())
    (work / 'ranking.json').write_text(json.dumps({**ranking, 'num_classes': 1000}))
    epochs = [{'epoch': 2, 'rating': 1.0, 'accuracy': None, 'architecture': {}},
              {'epoch': 1, 'rating': 1.5, 'accuracy': 0.5, 'architecture': {}}]
    (work / 'over_training.json').write_text(json.dumps({'version': 1, 'epochs': epochs}))
    read, without = Page(write_report(work)), Page(page)
    assert read.text['tradeoff'].count('MixNet-M') == 2
    assert 'MixNet-M' not in without.text['tradeoff']
    assert list(read.text)[-1] == 'over-training'
    assert len(read.pictures) == len(without.pictures) + 1
