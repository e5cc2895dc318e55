// Work in C++: templates with long names, std::sort, std::map, virtual calls. Runs until it is ended, ten minutes at
// most.
#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#define NOINLINE __attribute__((noinline))

namespace shapes {

struct Shape {
  virtual ~Shape() = default;
  virtual double area(double scale) const = 0;
};

struct Circle final : Shape {
  NOINLINE double area(double scale) const override {
    double sum = 0;
    for (int i = 1; i < 400; i++) sum += scale / i;
    return sum * 3.14159;
  }
};

struct Square final : Shape {
  NOINLINE double area(double scale) const override {
    double sum = 0;
    for (int i = 1; i < 200; i++) sum += scale / (i + 1);
    return sum;
  }
};

}  // namespace shapes

template <typename Number, int Rounds>
struct Mixer {
  NOINLINE static Number mix(Number x) {
    for (int i = 0; i < Rounds; i++) x = x * Number(6364136223846793005u) + Number(1442695040888963407u);
    return x;
  }
};

template <typename Key, typename Value>
NOINLINE std::size_t look_up(const std::map<Key, Value> &map, const std::vector<Key> &keys) {
  std::size_t found = 0;
  for (const auto &key : keys) found += map.count(key);
  return found;
}

template <typename Iterator>
NOINLINE void shuffle(Iterator first, Iterator last, std::uint64_t &seed) {
  for (; first != last; ++first) *first = static_cast<double>((seed = Mixer<std::uint64_t, 3>::mix(seed)) >> 40);
}

int main() {
  alarm(600);
  std::vector<std::unique_ptr<shapes::Shape>> all;
  for (int i = 0; i < 50; i++) {
    if (i % 2) all.push_back(std::make_unique<shapes::Circle>());
    else all.push_back(std::make_unique<shapes::Square>());
  }
  std::map<std::string, int> map;
  std::vector<std::string> keys;
  for (int i = 0; i < 800; i++) {
    keys.push_back("a key with the number " + std::to_string(i * 7919 % 1000));
    map[keys.back()] = i;
  }
  std::vector<double> numbers(3000);
  std::uint64_t seed = 1;
  volatile double sink = 0;
  for (;;) {
    for (const auto &shape : all) sink = sink + shape->area(1.5);
    shuffle(numbers.begin(), numbers.end(), seed);
    std::sort(numbers.begin(), numbers.end());
    sink = sink + numbers[0] + static_cast<double>(look_up(map, keys));
    sink = sink + static_cast<double>(Mixer<std::uint64_t, 60000>::mix(seed));
  }
}
